"""Features of pictures from the backbone, for teaching.

What it is: a session of the committed feature extractor. What it is not: the line's path (runner), which has the
backbone inside its own graph. The teaching process runs it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from inspector.inference.runner import make_session, parse_model
from inspector.types import Pixels

Floats = npt.NDArray[np.float32]


class Extractor:
    """A session of any ONNX model with one uint8 `[1, H, W, 3]` BGR input; `run` returns its outputs by name."""

    def __init__(self, content: bytes, origin: Path, *, threads: int = 2) -> None:
        """Load the model `content`, read from `origin`; raises ModelError."""
        self.model: Any = parse_model(content, origin)
        self.origin = origin
        self.sha256 = hashlib.sha256(content).hexdigest()
        self._session = make_session(content, origin, threads=threads, spinning=False)
        self._input = self._session.get_inputs()[0].name
        self.names = [output.name for output in self._session.get_outputs()]

    def run(self, patch: Pixels, names: list[str] | None = None) -> dict[str, Floats]:
        """Outputs for one patch, uint8 (H, W, 3) BGR, sizes multiples of 16; each is float32 with its batch axis."""
        wanted = names or self.names
        return dict(zip(wanted, self._session.run(wanted, {self._input: patch[None]}), strict=True))
