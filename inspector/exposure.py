"""Exposure time and gain as a person sets them: over the link, and kept in the station file.

What it is: the two values, their words, and the one place that changes a station file: two lines of it, nothing else of
what the integrator wrote. What it is not: the camera (`camera`), or who may (the web). The web's thread pool writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tomlkit
import tomlkit.exceptions

from inspector.config import CameraConfig, StationConfig, parse, toml_of
from inspector.errors import ConfigError
from inspector.recipe_book import write_whole


@dataclass(frozen=True, slots=True)
class Exposure:
    """ExposureTime in microseconds and Gain in dB, as `[camera]` has them."""

    exposure_time_us: int
    gain_db: float

    @property
    def words(self) -> str:
        """As they go over the link."""
        return f"{self.exposure_time_us} {self.gain_db:g}"

    @classmethod
    def of(cls, words: str) -> Exposure:
        """What `words` mean; raises ValueError."""
        exposure_time_us, gain_db = words.split(" ")
        return cls(int(exposure_time_us), float(gain_db))

    def put_into(self, config: CameraConfig) -> CameraConfig:
        """`config` with this exposure and gain."""
        return config.model_copy(update={"exposure_time_us": self.exposure_time_us, "gain_db": self.gain_db})

    def keep(self, path: Path) -> None:
        """Write both into the station file at `path`. Raises ConfigError if it could not be read afterwards, and leaves
        it as it was then."""
        try:
            document = tomlkit.parse(path.read_text("utf-8"))
            camera = document.setdefault("camera", tomlkit.table())
            camera["exposure_time_us"], camera["gain_db"] = self.exposure_time_us, self.gain_db
            content = tomlkit.dumps(document).encode()
            parse(StationConfig, toml_of(content, path) | {"folder": path.parent, "file": path}, path)
            write_whole(path, content)
        except (OSError, UnicodeDecodeError, tomlkit.exceptions.TOMLKitError) as why:
            raise ConfigError(f"{path}: cannot be changed: {why}") from why
