"""station.toml: what this machine is made of.

What it is: the schema of the station file, read once at start-up, strictly; every key is documented in
`docs/configuration.md`, which a test compares with this file. What it is not: the recipe (what a good part is).
Main thread, before anything runs.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from inspector.errors import ConfigError
from inspector.key_errors import in_words
from inspector.key_errors import problems as problems

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[int, Field(gt=0)]
S = TypeVar("S", bound="Section")


class Section(BaseModel):
    """A table of a TOML file: unknown keys and loose types are errors, and nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class CameraConfig(Section):
    """[camera] - names follow GenICam SFNC in snake_case."""

    name: str = "camera0"
    kind: Literal["folder", "simulated", "opencv"] = "simulated"
    source: str = ""
    width: Positive | None = None
    height: Positive | None = None
    pixel_format: Literal["BGR8", "Mono8"] = "BGR8"
    exposure_time_us: Positive | None = None
    gain_db: float | None = None
    trigger_source: Literal["line", "software", "free_run"] = "line"
    frame_timeout_ms: Positive = 1000
    shuffle_seed: int | None = None
    trigger_delay_us: int = 0


class SorterConfig(Section):
    """[[controller.sorter]] - an ejector between camera and gate, which the recipe's [[sort]] names by its number."""

    number: int = Field(ge=1, le=3)
    tick: Positive
    pulse_ms: Positive = 40
    lead_ms: int = Field(default=8, ge=0)
    max_on_ms: Positive = 200
    min_off_ms: int = Field(default=5, ge=0)


class ControllerConfig(Section):
    """[controller] - the reject controller: where it is, and what is pushed to it at start-up."""

    port: str = "sim://"
    baud: Positive = 500_000
    tick_um: Positive = 100
    camera_tick: Positive = 1500
    gate_tick: Positive = 6000
    guard_tick: Positive = 100
    min_spacing_tick: Positive = 600
    debounce_us: int = Field(default=500, ge=0)
    strobe_us: Positive = 200
    energised_passes: bool = True
    part_max_tick: Positive = 1200
    eye_stuck_tick: Positive = 3000
    pulse_ms: Positive = 40
    lead_ms: int = Field(default=8, ge=0)
    max_on_ms: Positive = 1000
    min_off_ms: int = Field(default=5, ge=0)
    lease_ms: Positive = 500
    confirm_window_tick: int = Field(default=400, ge=0)
    consecutive_rejects_stop: int = Field(default=0, ge=0)
    consecutive_unknown_stop: int = Field(default=0, ge=0)
    rejects_of_last_stop: int = Field(default=0, ge=0)
    last_parts: int = Field(default=0, ge=0, le=32)
    encoder: Literal["none", "single", "quadrature"] = "quadrature"
    inputs: list[Literal["confirm", "bin_full", "low_air"]] = Field(default_factory=list)
    sorter: list[SorterConfig] = Field(default_factory=list)


class LineConfig(Section):
    """[line] - the judging thread."""

    bind_tolerance_ms: float = Field(default=8.0, gt=0)
    model_threads: Positive = 2
    model_spinning: bool = False
    frame_queue: Positive = 2
    link: str = "data/line.sock"


class RecordConfig(Section):
    """[record] - where records and pictures go."""

    store: str = "data/records.sqlite"
    images: str = "data/images"
    keep_every_nth_pass: Positive = 20
    image_budget_mb: Positive = 2000
    min_free_mb: Positive = 200
    queue: Positive = 256


class WebConfig(Section):
    """[web] - the API and the screens."""

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    token_file: str = "data/token"
    store: str = "data/web.sqlite"
    teaching: str = "data/teaching"
    yield_target: Fraction = 0.95
    work: str = "data/work"


class ShiftConfig(Section):
    """[[shift]] - a shift of the plant: it begins at `start`, the plant's time, and lasts until the next one begins."""

    name: str = Field(min_length=1, max_length=32)
    start: str = Field(pattern=r"^([01]\d|2[0-3]):(00|15|30|45)$")


SHIFTS = (
    ShiftConfig(name="early", start="06:00"),
    ShiftConfig(name="late", start="14:00"),
    ShiftConfig(name="night", start="22:00"),
)


class MqttConfig(Section):
    """[mqtt] - where the results are published; an empty host publishes nothing."""

    host: str = ""
    port: int = Field(default=1883, ge=1, le=65535)
    topic: str = Field(default="inspection", pattern=r"^[^#+\x00/][^#+\x00]*[^#+\x00/]$")
    user: str = ""
    password_file: str = ""
    bookmark: str = "data/mqtt.json"


class PlcJob(Section):
    """[[plc.job]] - a recipe and the number by which the PLC asks for it."""

    number: int = Field(ge=1, le=65535)
    recipe: str


class PlcConfig(Section):
    """[plc] - the PLC beside this station; without the table there is none."""

    wiring: Literal["results", "triggers"]
    host: str = "127.0.0.1"
    port: int = Field(default=1502, ge=0, le=65535)
    serial: str = ""
    baud: Positive = 19_200
    parity: Literal["even", "odd", "none"] = "even"
    unit: int = Field(default=1, ge=1, le=247)
    allow: list[str] = Field(default_factory=list)
    clients: int = Field(default=8, ge=1, le=64)
    idle_ms: int = Field(default=10_000, ge=1000)
    requests_per_s: int = Field(default=500, ge=10)
    in_flight: int = Field(default=4, ge=1, le=8)
    result_timeout_ms: Positive = 1000
    first_piece: bool = False
    may_approve: bool = True
    journal: str = "data/plc.parts"
    simulated: bool = False
    job: list[PlcJob] = Field(default_factory=list)


class FaultConfig(Section):
    """[simulation.faults] - what goes wrong in the simulated world, as a chance for each part, byte or frame."""

    byte_flip: Fraction = 0.0
    byte_drop: Fraction = 0.0
    byte_double: Fraction = 0.0
    controller_reset: Fraction = 0.0
    encoder_slip: Fraction = 0.0
    double_part: Fraction = 0.0
    stuck_eye: Fraction = 0.0
    frame_lost: Fraction = 0.0
    frame_repeated: Fraction = 0.0
    frame_late: Fraction = 0.0
    frame_black: Fraction = 0.0
    frame_incomplete: Fraction = 0.0
    camera_unplugged: Fraction = 0.0
    line_slow: Fraction = 0.0
    host_killed: Fraction = 0.0


class CalibrationConfig(Section):
    """[calibration] - the result files this station trusts, and whose they must be; empty is none."""

    lens: str = ""
    plane: str = ""
    robot: str = ""
    illumination: str = ""
    timing: str = ""
    flat_field: bool = False
    camera_serial: str = ""
    lens_setting: str = ""
    max_age_days: Positive = 365


class SimulationConfig(Section):
    """[simulation] - the simulated belt: which pictures lie on it, how fast, and what goes wrong.

    `pictures` are folders, and `labels` a `labels.csv` whose files are relative to its own folder; without one, the
    folders' names are the truth.
    """

    pictures: list[str] = Field(default_factory=list)
    labels: str = ""
    seed: int = 1
    parts_per_minute: Positive = 120
    spacing_jitter: Fraction = 0.2
    belt_mm_per_s: Positive = 400
    faults: FaultConfig = FaultConfig()


class StationSection(Section):
    """[station] - the name on the screen and the recipe that is active at start-up."""

    name: str = "station"
    recipe: str = "recipe.toml"
    autostart: bool = False


class StationConfig(Section):
    """The whole station file, which is `file`; `folder` is where it lies, and relative paths start there."""

    station: StationSection = StationSection()
    camera: CameraConfig = CameraConfig()
    controller: ControllerConfig = ControllerConfig()
    line: LineConfig = LineConfig()
    record: RecordConfig = RecordConfig()
    web: WebConfig = WebConfig()
    shift: list[ShiftConfig] = Field(default_factory=lambda: list(SHIFTS))
    mqtt: MqttConfig = MqttConfig()
    calibration: CalibrationConfig = CalibrationConfig()
    plc: PlcConfig | None = None
    simulation: SimulationConfig | None = None
    folder: Path = Field(default=Path("."), exclude=True)
    file: Path = Field(default=Path("station.toml"), exclude=True)

    def path(self, relative: str) -> Path:
        """`relative` as a path that starts at the station file's folder."""
        return (self.folder / relative).resolve()


def load_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises ConfigError if the file is missing or is not TOML.
    """
    try:
        return toml_of(path.read_bytes(), path)
    except OSError as why:
        raise ConfigError(f"{path}: cannot be read: {why.strerror}") from why


def toml_of(content: bytes, path: Path) -> dict[str, Any]:
    """The tables of what was read from `path`; raises ConfigError if it is not TOML."""
    try:
        return tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as why:
        raise ConfigError(f"{path}: is not valid TOML: {why}") from why


def parse(schema: type[S], tables: dict[str, Any], path: Path) -> S:
    """`tables` checked against `schema`; raises ConfigError naming file, key, value found and value wanted."""
    try:
        return schema.model_validate(tables)
    except ValidationError as why:
        raise ConfigError(f"{path}: {in_words(schema, why.errors()[0])}") from None


def load_station(path: Path) -> StationConfig:
    """The station file at `path`; raises ConfigError."""
    tables = load_toml(path)
    for own in ("folder", "file"):
        if own in tables:
            raise ConfigError(f"{path}: unknown key '{own}'")
    return parse(StationConfig, tables | {"folder": path.parent, "file": path}, path)
