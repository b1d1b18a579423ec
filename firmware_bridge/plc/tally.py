"""The counters on the wire.

What it is: a sum by verdict, where a result that no PLC saw counts as UNKNOWN if the PLC is the one who rejects. What
it is not: the counts of the station's records. Used under the contract's lock.
"""

from __future__ import annotations

from collections import Counter

from firmware_bridge.plc.signals import PlcVerdict

_COUNTED_AS = {PlcVerdict.PASS: "passed", PlcVerdict.REJECT: "rejected"}


class Tally:
    """See the module. The keys of `counts` are fields of the register map; they wrap at 2**32."""

    def __init__(self, plc_rejects: bool) -> None:
        self.counts: Counter[str] = Counter()
        self._plc_rejects = plc_rejects

    def count(self, verdict: PlcVerdict) -> None:
        """A result is shown."""
        self.counts["total"] += 1
        self.counts[_COUNTED_AS.get(verdict, "unknown")] += 1

    def lose(self, verdict: PlcVerdict) -> None:
        """A result was lost on its way."""
        self.counts["lost_results"] += 1
        self.count(PlcVerdict.UNKNOWN if self._plc_rejects else verdict)
