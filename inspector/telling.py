"""What the screens are told of a part.

What it is: an inspection as the message of the link. What it is not: the link (link.server), or the status (running).
Line thread.
"""

from __future__ import annotations

import base64
from collections.abc import Collection

import numpy as np

from inspector.inference.heat import HeatMap
from inspector.link.messages import Heat, PartEvent
from inspector.types import Counts, Inspection


def part_event(inspection: Inspection, counts: Counts, at_utc: str, heat: HeatMap | None, watched: bool) -> PartEvent:
    """The event of a judged part; what only a picture is drawn with is left out while nobody watches."""
    return PartEvent(
        part_id=inspection.part_id,
        verdict=inspection.verdict,
        at_utc=at_utc,
        counts=counts,
        score=inspection.score,
        reasons=inspection.reasons,
        defects=inspection.defects,
        measurements=inspection.measurements if watched else (),
        heat=None if heat is None else _told(heat),
    )


def spread(values: Collection[float]) -> dict[str, float]:
    """Median, 99th percentile and least of what was measured, in its unit; empty where there is nothing yet."""
    if not values:
        return {}
    p50, p99 = np.percentile(np.fromiter(values, float), [50, 99])
    return {"p50": round(float(p50), 2), "p99": round(float(p99), 2), "min": round(min(values), 2)}


def _told(heat: HeatMap) -> Heat:
    height, width = heat.cells.shape
    cells = base64.b64encode(heat.cells.tobytes()).decode()
    to_frame = tuple(round(float(value), 3) for value in heat.to_frame.reshape(-1))
    return Heat(width=width, height=height, cells=cells, to_frame=to_frame)
