"""Where verdicts and orders go: the bridge, in this thread or behind its own.

What it is: the narrow door between `passage` and the bridge. What it is not: the conversation
(`firmware_bridge.bridge`). Line thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from firmware_bridge.bridge import Bridge
from firmware_bridge.port import BridgeThread
from firmware_bridge.protocol import Verdict as WireVerdict
from inspector.clock import Clock
from inspector.types import Inspection, Verdict

# A table and not a call of the enumeration, which takes longer than all else that is done here.
_ON_THE_WIRE = {verdict: WireVerdict(verdict) for verdict in Verdict}


class Sender(Protocol):
    """Where verdicts and orders go: the bridge, or its thread."""

    def judge(self, part_id: int, verdict: Verdict, inspection: Inspection | None = None) -> int | None:
        """Send a verdict, with what it comes from where there is that; the slack in ns, None if it cannot be known."""
        ...

    def run(self) -> None:
        """Let the belt run."""
        ...

    def stop(self) -> None:
        """Stop the belt."""
        ...

    def reset(self) -> None:
        """Clear the controller's shutdown."""
        ...


@dataclass(slots=True)
class BridgeSender:
    """A bridge without a thread: simulated time, and the benchmark. The bytes wait in `Bridge.take_output`."""

    bridge: Bridge
    clock: Clock

    def judge(self, part_id: int, verdict: Verdict, inspection: Inspection | None = None) -> int | None:
        """See `Sender`."""
        sorter = inspection.sorter if inspection is not None else 0
        return self.bridge.judge(part_id, _ON_THE_WIRE[verdict], self.clock.now_ns(), sorter)

    def run(self) -> None:
        """See `Sender`."""
        self.bridge.run()

    def stop(self) -> None:
        """See `Sender`."""
        self.bridge.stop()

    def reset(self) -> None:
        """See `Sender`."""
        self.bridge.reset()


@dataclass(slots=True)
class ThreadSender:
    """A bridge that lives on its own thread."""

    thread: BridgeThread

    def judge(self, part_id: int, verdict: Verdict, inspection: Inspection | None = None) -> int | None:
        """See `Sender`."""
        return self.thread.judge(part_id, _ON_THE_WIRE[verdict], inspection.sorter if inspection is not None else 0)

    def run(self) -> None:
        """See `Sender`."""
        self.thread.order(Bridge.run)

    def stop(self) -> None:
        """See `Sender`."""
        self.thread.order(Bridge.stop)

    def reset(self) -> None:
        """See `Sender`."""
        self.thread.order(Bridge.reset)
