"""Jobs, the first piece and maintenance, asked for by the PLC or a person."""

from __future__ import annotations

import pytest

from firmware_bridge.plc.by_hand import obey
from firmware_bridge.plc.events import FaultsReset, FirstPieceApproved, MaintenanceChanged, OutputFired
from firmware_bridge.plc.inputs import Options
from firmware_bridge.plc.maintenance import FORCE_NS, FORCEABLE, MODE_NS, Maintenance
from firmware_bridge.plc.signals import Command, Control, Fault, Mode, PackMl, PlcVerdict, Refusal, Status
from tests.firmware_bridge.plc.made import Bench, Master


def start(options: Options | None = None) -> tuple[Bench, Master]:
    bench = Bench(options)
    master = Master(bench)
    master.start()
    return bench, master


def order(master: Master, command: Command, argument: int = 0) -> Status:
    """Ask for a command and let go; the status while it was asked for."""
    master.set(Control.EXECUTE_COMMAND, command=command, command_argument=argument)
    status = master.status
    master.clear(Control.EXECUTE_COMMAND)
    return status


def test_a_job_is_changed_between_two_parts_and_echoed() -> None:
    bench, master = start()
    master.trigger(1)
    bench.contract.exposed(1, bench.now_ns)
    master.set(Control.EXECUTE_COMMAND, command=Command.CHANGE_JOB, command_argument=2)
    assert master.status & Status.COMMAND_EXECUTING
    assert master.status & Status.JOB_BUSY
    assert (master.seen["requested_job"], master.seen["current_job"]) == (2, 1)
    assert bench.wanted() == [], "a part is under way"
    master.set(Control.TRIGGER, trigger_part_id=2)
    assert master.seen["error_code"] == Refusal.JOB_BUSY
    bench.answer(1)
    assert bench.wanted() == [2]
    bench.contract.job_done(2, 0xBEEF, bench.now_ns)
    seen = master.clear(Control.TRIGGER)
    assert master.status & Status.COMMAND_COMPLETED
    assert (seen["current_job"], seen["settings_checksum"], seen["recipe"]) == (2, 0xBEEF, "bottle")
    assert (seen["result_job"], seen["result_checksum"]) == (1, 0xC0FFEE)
    master.acknowledge()
    assert not master.clear(Control.EXECUTE_COMMAND)["requested_job"]
    assert not master.status & Status.COMMAND_COMPLETED
    master.trigger(3)
    bench.answer(3)
    assert master.cycle()["result_job"] == 2


def test_an_unknown_job_is_refused_and_the_old_one_stays() -> None:
    bench, master = start()
    status = order(master, Command.CHANGE_JOB, 77)
    assert status & Status.COMMAND_FAILED
    assert (master.seen["error_code"], master.seen["current_job"]) == (Refusal.UNKNOWN_JOB, 1)
    assert bench.wanted() == []
    assert master.status & Status.TRIGGER_READY
    assert not master.status & Status.COMMAND_FAILED


def test_the_job_that_is_there_is_done_at_once() -> None:
    bench, master = start()
    assert order(master, Command.CHANGE_JOB, 1) & Status.COMMAND_COMPLETED
    assert bench.wanted() == []


def test_a_job_that_cannot_be_changed_leaves_the_old_one() -> None:
    bench, master = start()
    master.set(Control.EXECUTE_COMMAND, command=Command.CHANGE_JOB, command_argument=2)
    bench.contract.job_failed(bench.now_ns)
    master.cycle()
    assert master.status & Status.COMMAND_FAILED
    assert (master.seen["error_code"], master.seen["current_job"]) == (Refusal.JOB_FAILED, 1)
    assert not master.status & Status.JOB_BUSY


def test_a_change_that_never_ends_is_a_fault_until_the_job_is_known_again() -> None:
    bench, master = start(Options(job_timeout_ms=200))
    master.set(Control.EXECUTE_COMMAND, command=Command.CHANGE_JOB, command_argument=2)
    master.wait(300)
    assert master.status & Status.COMMAND_FAILED
    assert (master.seen["error_code"], master.faults) == (Refusal.JOB_TIMEOUT, Fault.JOB)
    master.set(Control.FAULT_RESET)
    assert master.faults == Fault.JOB
    bench.contract.job_done(2, 1, bench.now_ns)
    master.clear(Control.FAULT_RESET | Control.EXECUTE_COMMAND)
    master.set(Control.FAULT_RESET)
    assert not master.faults
    assert master.seen["current_job"] == 2


def test_a_second_command_waits_its_turn() -> None:
    bench, master = start()
    order(master, Command.CHANGE_JOB, 2)
    assert master.status & Status.COMMAND_EXECUTING
    status = order(master, Command.CHANGE_JOB, 1)
    assert status & Status.COMMAND_FAILED
    assert status & Status.COMMAND_EXECUTING
    bench.contract.job_done(2, 1, bench.now_ns)
    master.cycle()
    assert not master.status & (Status.COMMAND_EXECUTING | Status.COMMAND_COMPLETED | Status.COMMAND_FAILED)
    assert master.seen["current_job"] == 2


def test_a_person_may_change_the_job_too() -> None:
    bench, master = start()
    bench.contract.job_done(2, 5, bench.now_ns)
    assert master.cycle()["current_job"] == 2
    with pytest.raises(ValueError, match="wanted one of"):
        bench.contract.job_done(9, 5, bench.now_ns)


@pytest.mark.parametrize(("job", "checksum"), [(2, 0xC0FFEE), (1, 0xBEEF)])
def test_a_part_triggered_under_other_settings_does_not_pass(job: int, checksum: int) -> None:
    bench, master = start()
    master.trigger(1)
    bench.contract.job_done(job, checksum, bench.now_ns)
    bench.answer(1)
    seen = master.cycle()
    assert (seen["verdict"], seen["result_job"], seen["result_checksum"]) == (PlcVerdict.UNKNOWN, 1, 0xC0FFEE)
    master.acknowledge()
    assert master.one(2) == PlcVerdict.PASS


def test_until_the_first_piece_is_approved_nothing_passes() -> None:
    bench, master = start(Options(first_piece=True))
    assert master.status & Status.FIRST_PIECE_WANTED
    assert master.one(1) == PlcVerdict.UNKNOWN
    assert master.one(2, PlcVerdict.REJECT) == PlcVerdict.REJECT
    master.trigger(3)
    assert order(master, Command.APPROVE_FIRST_PIECE) & Status.COMMAND_COMPLETED
    assert bench.events(FirstPieceApproved)
    bench.answer(3)
    assert master.cycle()["verdict"] == PlcVerdict.UNKNOWN, "triggered before the approval"
    master.acknowledge()
    assert master.one(4) == PlcVerdict.PASS
    assert order(master, Command.APPROVE_FIRST_PIECE) & Status.COMMAND_FAILED
    order(master, Command.CHANGE_JOB, 2)
    bench.contract.job_done(2, 1, bench.now_ns)
    assert master.one(5) == PlcVerdict.UNKNOWN
    assert bench.contract.approve_first_piece(bench.now_ns) is Refusal.NONE
    assert master.one(6) == PlcVerdict.PASS


def test_approval_can_be_kept_for_a_person() -> None:
    bench, master = start(Options(first_piece=True, plc_may_approve=False))
    assert order(master, Command.APPROVE_FIRST_PIECE) & Status.COMMAND_FAILED
    assert master.seen["error_code"] == Refusal.NOT_ALLOWED
    assert master.one(1) == PlcVerdict.UNKNOWN
    assert bench.refused(Refusal.NOT_ALLOWED) == 1


def standing(options: Options | None = None) -> tuple[Bench, Master]:
    """A station that stands still, and a master in control of it."""
    bench, master = start(options)
    master.clear(Control.TRIGGER_ENABLE | Control.LINE_RUNNING)
    bench.contract.state(PackMl.IDLE, bench.now_ns)
    return bench, master


def ask(bench: Bench, words: str) -> str:
    return obey(bench.contract, words, bench.now_ns)


TWO = Options(outputs={0: "camera", 1: "ejector"})


def test_maintenance_begins_only_while_the_line_stands_and_ends_by_itself() -> None:
    bench, master = start(TWO)
    assert ask(bench, "fire camera") == "fire camera is refused: not in maintenance"
    assert ask(bench, "begin") == "begin is refused: line is running"
    master.clear(Control.TRIGGER_ENABLE | Control.LINE_RUNNING)
    bench.contract.state(PackMl.STOPPED, bench.now_ns)
    assert ask(bench, "begin") == ""
    assert master.cycle()["not_ready"] == Refusal.MAINTENANCE
    assert master.status & Status.MAINTENANCE
    assert ask(bench, "fire sorter") == "fire sorter is refused: unknown output"
    assert ask(bench, "shout") == "shout is refused: unknown command"
    assert ask(bench, "fire ejector") == ""
    assert [event.output for event in bench.events(OutputFired)] == [1]  # type: ignore[union-attr]
    fired = [(edge.signal, edge.value) for edge in bench.contract.trace.edges if "FIRE" in edge.signal]
    assert fired == [("FIRE_EJECTOR", True), ("FIRE_EJECTOR", False)]
    master.cycle(heartbeat_timeout=2_000)
    master.wait(MODE_NS / 1e6 - 500, 500)
    assert master.status & Status.MAINTENANCE
    master.wait(500, 500)
    assert not master.status & Status.MAINTENANCE
    assert bench.refused(Refusal.UNKNOWN_OUTPUT) == 1


def test_the_plc_fires_by_command_and_every_command_is_kept_for_the_log() -> None:
    bench, master = standing(TWO)
    assert order(master, Command.TEST_FIRE, 1) & Status.COMMAND_FAILED
    assert master.seen["error_code"] == Refusal.NOT_IN_MAINTENANCE
    assert order(master, Command.ENTER_MAINTENANCE) & Status.COMMAND_COMPLETED
    master.set(Control.EXECUTE_COMMAND, command=Command.TEST_FIRE, command_argument=1)
    assert master.status & Status.COMMAND_EXECUTING
    bench.contract.commands.fired(Refusal.NONE)
    bench.contract.asked(Refusal.NONE, bench.now_ns)
    assert master.cycle()["status"] & Status.COMMAND_COMPLETED  # type: ignore[operator]
    master.clear(Control.EXECUTE_COMMAND)
    assert order(master, Command.TEST_FIRE, 9) & Status.COMMAND_FAILED
    order(master, Command.CHANGE_JOB, 1)  # the current one: nothing changes
    kept = [(one.command, one.argument, one.refused, one.owner) for one in bench.contract.trace.orders]
    assert kept == [
        (Command.TEST_FIRE, 1, Refusal.NOT_IN_MAINTENANCE, "plc"),
        (Command.ENTER_MAINTENANCE, 0, Refusal.NONE, "plc"),
        (Command.TEST_FIRE, 1, Refusal.NONE, "plc"),
        (Command.TEST_FIRE, 9, Refusal.UNKNOWN_OUTPUT, "plc"),
    ]


def test_a_pulse_that_the_controller_refused_is_a_failed_command_and_counted_either_way() -> None:
    bench, master = standing(TWO)
    ask(bench, "begin")
    master.set(Control.EXECUTE_COMMAND, command=Command.TEST_FIRE, command_argument=1)
    bench.contract.commands.fired(Refusal.NOT_FIRED)
    bench.contract.asked(Refusal.NONE, bench.now_ns)
    assert master.cycle()["error_code"] == Refusal.NOT_FIRED
    assert master.status & Status.COMMAND_FAILED
    ask(bench, "fire ejector")
    bench.contract.commands.fired(Refusal.NOT_FIRED)
    assert bench.refused(Refusal.NOT_FIRED) == 2


@pytest.mark.parametrize("bit", [Control.LINE_RUNNING, Control.TRIGGER_ENABLE])
def test_a_plc_that_wants_to_run_ends_maintenance_and_every_force(bit: Control) -> None:
    bench, master = standing()
    ask(bench, "begin")
    ask(bench, "force RESULTS_VALID 1")
    assert master.cycle()["forced"] == Status.RESULTS_VALID
    master.set(bit)
    assert not master.status & (Status.MAINTENANCE | Status.RESULTS_VALID)
    assert (master.seen["forced"], master.seen["modes"]) == (0, Mode.YOU_HAVE_CONTROL | Mode.CONTROL_TAKEN | 4)
    assert bench.events(MaintenanceChanged) == [MaintenanceChanged(True), MaintenanceChanged(False)]
    assert order(master, Command.TEST_FIRE, 0) & Status.COMMAND_FAILED


def test_a_part_at_the_station_s_own_eye_does_not_end_maintenance_and_never_passes() -> None:
    bench, master = standing(Options(plc_triggers=False))
    ask(bench, "begin")
    bench.contract.seen(5, bench.now_ns)
    assert master.cycle()["status"] & Status.MAINTENANCE  # type: ignore[operator]
    ask(bench, "end")
    bench.answer(5)
    assert master.cycle()["verdict"] == PlcVerdict.FAULT


def test_a_pass_that_was_not_acknowledged_does_not_outlive_the_begin_of_maintenance() -> None:
    bench, master = start()
    for part in (1, 2):
        master.set(Control.BUFFER_RESULTS)
        master.trigger(part)
        bench.answer(part)
    assert master.cycle()["verdict"] == PlcVerdict.PASS
    master.clear(Control.TRIGGER_ENABLE | Control.LINE_RUNNING)
    bench.contract.state(PackMl.IDLE, bench.now_ns)
    ask(bench, "begin")
    assert master.cycle()["verdict"] == PlcVerdict.NONE
    assert not master.status & Status.RESULTS_VALID
    ask(bench, "end")
    master.acknowledge()
    seen = master.cycle()
    assert (seen["result_part_id"], seen["verdict"]) == (2, PlcVerdict.FAULT)


def test_every_bit_and_every_verdict_but_pass_can_be_forced_for_a_minute_and_says_so() -> None:
    bench, master = standing()
    assert ask(bench, "force RESULTS_VALID 1") == "force RESULTS_VALID 1 is refused: not in maintenance"
    ask(bench, "begin")
    for signal, values in FORCEABLE.items():
        for value in values:
            assert ask(bench, f"force {signal} {value}") == ""
            seen = master.cycle()
            assert int(seen["modes"]) & Mode.FORCED
            assert master.status & Status.MAINTENANCE
            if signal == "verdict":
                assert seen["verdict"] == value
            else:
                assert (seen["forced"], bool(master.status & Status[signal])) == (Status[signal], bool(value))
        assert ask(bench, f"force {signal} -") == ""
        assert not int(master.cycle()["modes"]) & Mode.FORCED
    assert len(FORCEABLE) == len(Status)  # every bit but MAINTENANCE, and the verdict
    ask(bench, "force verdict 2")
    ask(bench, "force RESULTS_VALID 1")
    master.cycle(heartbeat_timeout=2_000)
    master.wait(FORCE_NS / 1e6 - 500, 500)
    assert (master.seen["verdict"], master.seen["forced"]) == (PlcVerdict.REJECT, Status.RESULTS_VALID)
    master.wait(500, 500)
    assert (master.seen["verdict"], master.seen["forced"]) == (PlcVerdict.NONE, 0)
    assert master.status & Status.MAINTENANCE


@pytest.mark.parametrize(
    "what", ["verdict 1", "MAINTENANCE 0", "FAULT 0", "RESULTS_VALID 2", "score 1", "verdict x", ""]
)
def test_a_pass_cannot_be_forced_nor_a_fault_away(what: str) -> None:
    bench, master = standing()
    ask(bench, "begin")
    bench.contract.fault(Fault.CAMERA, bench.now_ns)
    before = master.cycle()
    assert ask(bench, f"force {what}").endswith("not forceable")
    after = master.cycle()
    assert after == before | {"error_code": after["error_code"]}
    assert bench.refused(Refusal.NOT_FORCEABLE) == 1


def test_an_unknown_command_is_refused_and_a_reset_is_told() -> None:
    bench, master = start()
    assert order(master, Command(0)) & Status.COMMAND_FAILED
    assert master.seen["error_code"] == Refusal.UNKNOWN_COMMAND
    master.set(Control.FAULT_RESET)
    assert master.seen["error_code"] == Refusal.NONE
    assert len(bench.events(FaultsReset)) == 1


def test_maintenance_can_be_left() -> None:
    bench, master = standing()
    ask(bench, "begin")
    assert order(master, Command.LEAVE_MAINTENANCE) & Status.COMMAND_COMPLETED
    assert not master.status & Status.MAINTENANCE


def test_maintenance_says_how_long_it_still_lasts_and_lasts_longer_when_used() -> None:
    maintenance = Maintenance({0: "camera"}, lambda _: None)
    assert maintenance.left_s(0) is None
    maintenance.enter(False, 0)
    assert maintenance.left_s(1_000_000_000) == MODE_NS / 1e9 - 1
    maintenance.fire(0, 60_000_000_000)
    assert maintenance.left_s(60_000_000_000) == MODE_NS / 1e9
    maintenance.tick(60_000_000_000 + MODE_NS)
    assert maintenance.left_s(60_000_000_000 + MODE_NS) is None
