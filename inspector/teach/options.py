"""What a teaching is asked for, what it says while it works, and what it gives back.

What it is: plain values. What it is not: work. Any thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

BACKBONE = Path(__file__).parents[2] / "models" / "backbone_lite0" / "r1" / "model.onnx"


@dataclass(frozen=True, slots=True, kw_only=True)
class TeachOptions:
    """How to teach. `target_false_rejects` is a share of good parts (0.05 = 5 %); `budget_ms` caps the time of one
    part, picture to score, as measured while teaching; `ignore` is a PNG mask of the patch, white is ignored. With
    `escape_cost` the threshold is where the share of good parts thrown out and so many times the share of `defects`
    that escape are least together, instead of by the target."""

    target_false_rejects: float = 0.05
    seed: int = 1
    threads: int = 2
    budget_ms: float | None = None
    exclude_suspects: bool = False
    ignore: Path | None = None
    defects: Path | None = None
    escape_cost: float | None = None
    backbone: Path = BACKBONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One step of the work: `stage` in words, `done` of `total` steps, and seconds left where that can be told."""

    stage: str
    done: int
    total: int
    eta_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TeachResult:
    """What was taught: the folder, the model's hash, what was chosen and why, what the threshold stands for, the five
    good pictures most unlike the others, and what the data doctor found, in words."""

    folder: Path
    model_sha: str
    chosen: str
    reason: str
    images: int
    suspects: tuple[str, ...]
    findings: tuple[str, ...]
    threshold_raw: float
    false_rejects_at_most: float
    images_needed: int
    ms_per_part: float
    seconds: float


class Cancelled(Exception):
    """The caller asked to stop; nothing was written."""
