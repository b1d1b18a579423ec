"""The command port of the PLC: EXECUTE_COMMAND and what becomes of it.

What it is: executing, completed, failed, by the edges of one bit, and who carries a command out. What it is not: jobs
and maintenance themselves. Used under the contract's lock.
"""

from __future__ import annotations

from firmware_bridge.plc.inputs import Inputs, Options
from firmware_bridge.plc.jobs import Jobs
from firmware_bridge.plc.maintenance import Maintenance
from firmware_bridge.plc.signals import Command, Refusal, Status
from firmware_bridge.plc.trace import Order, Trace


class CommandPort:
    """See the module. Completed and failed stay until EXECUTE_COMMAND is dropped."""

    def __init__(self, options: Options, jobs: Jobs, maintenance: Maintenance, trace: Trace) -> None:
        self.status = Status(0)
        self._options = options
        self._jobs = jobs
        self._maintenance = maintenance
        self._trace = trace
        self._asked = self._fires = False

    def rise(self, inputs: Inputs, owner: str, line_runs: bool, now_ns: int) -> None:
        """EXECUTE_COMMAND came, from the master in control."""
        self._asked = True
        command, argument = inputs.command, inputs.command_argument
        if self.status & Status.COMMAND_EXECUTING:
            self._trace.order(Order(now_ns, owner, command, argument, self._trace.refuse(Refusal.COMMAND_BUSY)))
            self.status |= Status.COMMAND_FAILED
            return
        why = self._start(command, argument, line_runs, now_ns)
        if command != Command.CHANGE_JOB or why is not Refusal.NONE:  # the current job asked for again changes nothing
            self._trace.order(Order(now_ns, owner, command, argument, why or Refusal.NONE))
        self.status = Status.COMMAND_EXECUTING
        if why is not None:
            self.end(why)

    def drop(self) -> None:
        """EXECUTE_COMMAND went; what is executing goes on."""
        self._asked = False
        self.status &= Status.COMMAND_EXECUTING

    def end(self, why: Refusal) -> None:
        """What is executing ended; `why` is NONE or the reason it failed."""
        if not self.status & Status.COMMAND_EXECUTING:
            return
        if why is not Refusal.NONE:
            self._trace.refuse(why)
        ended = Status.COMMAND_COMPLETED if why is Refusal.NONE else Status.COMMAND_FAILED
        self.status = ended if self._asked else Status(0)

    def fired(self, why: Refusal) -> None:
        """What came of a test pulse, at the PLC's wish or a person's: NONE, or NOT_FIRED."""
        if self._fires:
            self._fires = False
            self.end(why)
        elif why is not Refusal.NONE:
            self._trace.refuse(why)

    def _start(self, command: int, argument: int, line_runs: bool, now_ns: int) -> Refusal | None:
        """Carry out a command: NONE if it is done, None if it goes on, else why not."""
        if command == Command.CHANGE_JOB:
            return self._jobs.want(argument, now_ns)
        if command == Command.APPROVE_FIRST_PIECE:
            return self._jobs.approve(by_plc=True) if self._options.plc_may_approve else Refusal.NOT_ALLOWED
        if command == Command.ENTER_MAINTENANCE:
            return self._maintenance.enter(line_runs, now_ns)
        if command == Command.LEAVE_MAINTENANCE:
            return self._maintenance.leave()
        if command == Command.TEST_FIRE:
            why = self._maintenance.fire(argument, now_ns)
            self._fires = why is Refusal.NONE
            return None if self._fires else why
        return Refusal.UNKNOWN_COMMAND
