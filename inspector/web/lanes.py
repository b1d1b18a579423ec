"""One part as lanes over time: eye, trigger, exposure and transfer, the stages, decision, gate.

What it is: where each lane lies, from the part's record, and the drawing. What it is not: a measurement of its own: a
record has the eye's and the trigger's moment, what each stage took, and the slack; the rest follows from these by the
belt's speed between eye and camera and the settings of now, and is drawn hollow. Pure functions, any thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from inspector.config import StationConfig
from inspector.types import InspectionRecord
from inspector.web.drawing import round_ticks
from inspector.web.words import mark

WIDTH, LEFT, RIGHT, ROW, FOOT = 960, 200, 90, 28, 30
EYE, TRIGGER, TRANSFER = mark("Eye"), mark("Camera trigger"), mark("Exposure, transfer, waiting")
DECISION, DEADLINE, GATE = mark("Verdict sent"), mark("Deadline"), mark("At the gate")


@dataclass(frozen=True, slots=True)
class Lane:
    """`start_ms` to `end_ms` since the eye saw the part; a moment where both are equal. `stage` is no message id."""

    name: str
    start_ms: float
    end_ms: float
    estimated: bool = False
    stage: bool = False


def lanes_of(record: InspectionRecord, config: StationConfig) -> list[Lane]:
    """The lanes that are known of a part, in the order of its way."""
    part, stages = record.part, [(name, ms) for name, ms in record.inspection.stage_ms.items() if ms is not None]
    trigger_ms = None if part.trigger_at_ns is None else (part.trigger_at_ns - part.seen_at_ns) / 1e6
    found = [Lane(EYE, 0.0, 0.0)]
    if trigger_ms is not None:
        found.append(Lane(TRIGGER, trigger_ms, trigger_ms))
    tick_ms = _tick_ms(record, config, trigger_ms)
    deadline_ms = _deadline_ms(record, config, tick_ms)
    sent_ms = None if deadline_ms is None or record.slack_ms is None else deadline_ms - record.slack_ms
    at_ms = (trigger_ms or 0.0) if sent_ms is None else sent_ms - sum(ms for _, ms in stages)
    if stages and sent_ms is not None:
        found.append(Lane(TRANSFER, trigger_ms or 0.0, max(at_ms, trigger_ms or 0.0), estimated=True))
    for name, ms in stages:
        found.append(Lane(name, at_ms, at_ms + ms, estimated=sent_ms is None, stage=True))
        at_ms += ms
    if sent_ms is not None:
        found.append(Lane(DECISION, sent_ms, sent_ms, estimated=True))
    if deadline_ms is not None:
        found.append(Lane(DEADLINE, deadline_ms, deadline_ms, estimated=True))
    if tick_ms is not None:
        tick = part.due_tick if record.outcome.tick is None else record.outcome.tick
        gate_ms = (tick - part.seen_tick) * tick_ms
        found.append(Lane(GATE, gate_ms, gate_ms, estimated=True))
    return found


def _tick_ms(record: InspectionRecord, config: StationConfig, trigger_ms: float | None) -> float | None:
    """Milliseconds of a tick of belt, from eye to camera; None where the PLC triggers, or the trigger is not known."""
    by_plc = config.plc is not None and config.plc.wiring == "triggers"
    if by_plc or not trigger_ms or record.part.due_tick == record.part.seen_tick:
        return None
    return trigger_ms / config.controller.camera_tick


def _deadline_ms(record: InspectionRecord, config: StationConfig, tick_ms: float | None) -> float | None:
    if config.plc is not None and config.plc.wiring == "triggers":
        return float(config.plc.result_timeout_ms)
    if tick_ms is None:
        return None
    belt = record.part.due_tick - record.part.seen_tick - config.controller.guard_tick
    return belt * tick_ms - config.controller.lead_ms


def drawn(lanes: Sequence[Lane], names: Sequence[str], title: str) -> Markup:
    """The lanes as SVG; `names` are theirs in the page's language."""
    low, high = min(lane.start_ms for lane in lanes), max(lane.end_ms for lane in lanes)
    span = (high - low) or 1.0
    height = ROW * len(lanes) + FOOT

    def across(ms: float) -> str:
        return f"{LEFT + (WIDTH - LEFT - RIGHT) * (ms - low) / span:.1f}"

    made = Markup('<svg class="lanes" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(WIDTH, height, title)
    for tick in round_ticks(low, high, 8):
        made += Markup('<line class="grid" x1="{0}" x2="{0}" y1="0" y2="{1}"/>').format(across(tick), height - FOOT)
        made += Markup('<text class="tick middle" x="{}" y="{}">{}</text>').format(
            across(tick), height - 8, f"{tick:g}"
        )
    for row, (lane, name) in enumerate(zip(lanes, names, strict=True)):
        made += _lane(lane, name, row * ROW, across(lane.start_ms), across(lane.end_ms))
    return made + Markup("</svg>")


def _lane(lane: Lane, name: str, top: int, left: str, right: str) -> Markup:
    kind = "estimated" if lane.estimated else "known"
    middle = top + ROW / 2
    made = Markup('<text x="4" y="{}">{}</text>').format(middle + 5, name)
    if lane.end_ms == lane.start_ms:
        x = float(left)
        corners = f"{x},{top + 5} {x + 8},{middle} {x},{top + ROW - 5} {x - 8},{middle}"
        made += Markup('<polygon class="{}" points="{}"/>').format(kind, corners)
        said = f"{lane.start_ms:.1f}"
    else:
        wide = max(1.5, float(right) - float(left))
        bar = Markup('<rect class="{}" x="{}" y="{}" width="{:.1f}" height="{}"/>')
        made += bar.format(kind, left, top + 6, wide, ROW - 12)
        said = f"{lane.end_ms - lane.start_ms:.2f} ms"
    return made + Markup('<text class="tick" x="{}" y="{}">{}</text>').format(float(right) + 12, middle + 5, said)
