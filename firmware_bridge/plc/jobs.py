"""Jobs: which one judges, the change to another between two parts, and the approval of its first piece.

What it is: the state of a job change; pure, the clock is given. What it is not: the loading (the station has every
known job loaded before, and acts on `JobWanted`). Used under the contract's lock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from firmware_bridge.plc.events import FirstPieceApproved, JobWanted, PlcEvent
from firmware_bridge.plc.signals import Refusal


class Jobs:
    """See the module. `known` has the recipe of every job number that the station holds ready."""

    def __init__(self, known: Mapping[int, str], tell: Callable[[PlcEvent], None], first_piece: bool) -> None:
        if any(not 1 <= number <= 0xFFFF for number in known):
            raise ValueError(f"job numbers are {sorted(known)}, wanted 1 to 65535")
        self.known = dict(known)
        self.current = 0
        self.checksum = 0
        self.wanted = 0
        self.first_piece_wanted = False
        self._tell = tell
        self._first_piece = first_piece
        self._told = False
        self._asked_ns = 0

    @property
    def recipe(self) -> str:
        """The recipe of the current job."""
        return self.known.get(self.current, "")

    def want(self, job: int, now_ns: int) -> Refusal | None:
        """The PLC wants a job: NONE if it is the current one, None if the change has begun, else why not."""
        if job not in self.known:
            return Refusal.UNKNOWN_JOB
        if job == self.current:
            return Refusal.NONE
        self.wanted, self._told, self._asked_ns = job, False, now_ns
        return None

    def between_parts(self) -> None:
        """No part is under way: now the change may be made."""
        if self.wanted and not self._told:
            self._told = True
            self._tell(JobWanted(self.wanted))

    def done(self, job: int, checksum: int) -> bool:
        """The station judges by this job now; whether that is what was wanted (or nothing was)."""
        if job not in self.known:
            raise ValueError(f"job is {job}, wanted one of {sorted(self.known)}")
        as_wanted = self.wanted in (0, job)
        self.current, self.checksum, self.wanted = job, checksum, 0
        self.first_piece_wanted = self._first_piece
        return as_wanted

    def failed(self) -> None:
        """The change was not made; the old job stays."""
        self.wanted = 0

    def late(self, now_ns: int, timeout_ns: int) -> bool:
        """Whether the station has not made the change in time."""
        return bool(self.wanted) and now_ns - self._asked_ns > timeout_ns

    def approve(self, by_plc: bool) -> Refusal:
        """The first piece is good."""
        if not self.first_piece_wanted:
            return Refusal.NOT_WANTED
        self.first_piece_wanted = False
        if by_plc:
            self._tell(FirstPieceApproved(self.current))
        return Refusal.NONE
