"""The binary as a thing: its size, its stack, its birth, and the races that only the machine code can have."""

from __future__ import annotations

import re

import numpy as np
import pytest

from firmware_bridge import framing
from firmware_bridge.flash import FLASH_BYTES, FOLDER, HAL, RAM_BYTES, build
from firmware_bridge.protocol import (
    Answer,
    Command,
    Commit,
    Counters,
    Encoder,
    Fault,
    Fire,
    Fired,
    Hello,
    Ident,
    Input,
    Judge,
    Key,
    Mode,
    Order,
    Set,
    Verdict,
    Why,
    config_crc,
)
from tests.firmware.bench import BUSY, ENCODER, QUIET, SORTERS, Bench, feed, moved
from tests.firmware.board import GATE, LINE_RUN, MS, SORTER_2, TICK, US, Board
from tests.firmware_bridge.made import SETTINGS

SRAM = range(0x100, 0x900)
PAINT = 0xA5

# Without an encoder everything is rejected until the belt has come from the eye to the gate.
FLUSH_MS = 70


def test_it_fits_the_chip_with_room() -> None:
    built = build()
    print(f"{built.flash_bytes} bytes of flash, {built.ram_bytes} of RAM")
    assert built.flash_bytes <= FLASH_BYTES == 16 * 1024
    assert built.ram_bytes <= RAM_BYTES == 1536


def test_the_stack_never_meets_the_data() -> None:
    """Memory between data and stack is painted; what was walked on after a busy second tells how deep it went."""
    board = Board()
    end = board.chip.symbols["_end"]
    stack = int.from_bytes(board.chip.memory(0x5D, 2), "little")
    board.chip.poke_at(end, bytes([PAINT]) * (stack - 16 - end))
    board.start(BUSY | SORTERS)
    board.chip.encoder(ENCODER)
    random = np.random.default_rng(1)
    for _ in range(20):
        board.chip.write(random.bytes(200))
        board.chip.write(framing.encode(b"\x08") + framing.encode(b"\x07" + bytes(4) + b"\x20"))
        board.run_ms(20)
    feed(board, 50, sorters=3)
    board.say(Command(Order.STOP), Command(Order.RESET))
    board.run_ms(20)
    painted = board.chip.memory(end, SRAM.stop - end)
    deepest = end + len(painted) - len(painted.lstrip(bytes([PAINT])))
    used = SRAM.stop - deepest
    print(f"data {end - SRAM.start}, stack {used} at its deepest, {deepest - end} bytes never used")
    assert deepest - end >= 64
    board.close()


def test_nothing_writes_a_timer_flag() -> None:
    """In simavr 1.6 a write to TIFRn clears all flags of the timer, and the clock loses an overflow."""
    for path in FOLDER.glob("hal_avr*.c"):
        assert not re.search(r"TIFR\d\s*[|&^]?=[^=]", path.read_text()), path.name
    assert {path.name for path in FOLDER.glob("hal_avr*.c")} == set(HAL)


def test_every_birth_has_a_number_of_its_own() -> None:
    board = Board()
    numbers = []
    for _ in range(4):
        board.say(Hello(0))
        board.run_ms(20)
        numbers.append(board.last(Ident).boot)
        board.chip.reset()
        board.run_ms(100)
    assert numbers == [1, 2, 3, 4]
    board.close()


def test_a_reset_lets_go_of_everything_and_remembers_how_many_it_saw() -> None:
    board = Board()
    board.start(QUIET)
    feed(board, 3)
    board.part(board.chip.cycle + MS, 4 * MS)
    board.run_ms(3)
    assert board.chip_outputs() & LINE_RUN
    at = board.chip.cycle
    board.chip.reset()
    board.run_ms(100)
    assert [level for cycle, level in board.edges if cycle >= at] == [0]
    board.say(Hello(0))
    board.run_ms(20)
    ident = board.last(Ident)
    assert (ident.boot, ident.previous_parts, ident.config_crc, ident.reset_cause) == (2, 4, 0, 2)
    assert board.status().mode == Mode.BOOT
    board.close()


@pytest.mark.parametrize("guard", [1, 2, 3])
def test_an_edge_that_is_due_when_it_is_planned_is_not_missed(guard: int) -> None:
    """The deadline lies within a turn of the main loop before the gate: a compare that has gone by would come again
    only 32 ms later, when the timer has turned round."""
    board = Board()
    board.start(QUIET | {Key.GUARD_COUNT: guard, Key.LEAD_MS: 0})
    board.run_ms(FLUSH_MS)
    feed(board, 150)
    rows = list(board.rows().values())
    assert {row.why for row in rows} == {Why.EARNED}
    wanted = [board.clock_zero + TICK * (row.seen_clock + QUIET[Key.GATE_COUNT] * 128) for row in rows]
    late = [at - due for at, due in zip(moved(board.edges, GATE, True), wanted, strict=True)]
    assert max(late) < MS
    assert max(late) > 100, "none was late: the test has not met its case"
    board.close()


@pytest.mark.parametrize("encoder", [Encoder.SINGLE, Encoder.CLOCK])
def test_clock_and_count_may_run_over(encoder: Encoder) -> None:
    """Both counters are a moment before 2**32 when the first part comes."""
    board = Board()
    board.chip.poke("clock_high", 0xFFF8, 2)
    board.chip.poke("count_high", 0xFFFF, 2)
    board.chip.poke("count_low", 0xFFFF - 2000, 2)
    board.run_ms(5)
    board.start((BUSY if encoder else QUIET) | {Key.ENCODER: encoder})
    if encoder:
        board.chip.encoder(ENCODER)
    else:
        board.run_ms(FLUSH_MS)
    feed(board, 20)
    rows = board.rows()
    assert {row.why for row in rows.values()} == {Why.EARNED}
    assert rows[1].seen_clock > 2**31 > rows[20].seen_clock
    if encoder:
        assert rows[1].seen_count > 2**31 > rows[20].seen_count
    assert len(moved(board.edges, GATE, True)) == 20
    board.close()


def test_every_edge_of_every_output_is_made(busy: Bench) -> None:
    """Edges of several outputs at one count must not hold each other up."""
    assert len(moved(busy.board.edges, GATE, True)) == len(moved(busy.board.edges, GATE, False)) == len(busy.seen)
    busy.board.chip.write(framing.encode(b"\x08"))
    busy.board.run_ms(10)
    counters = busy.board.last(Counters)
    assert counters.overruns == 0
    # MAX_ON_MS is shorter than a part, so that each opening of the gate was cut short, and nothing else was.
    assert counters.limited == len(busy.seen)


def test_a_running_encoder_that_turns_back_and_forth_is_counted_by_its_high_water_mark() -> None:
    board = Board()
    board.start(BUSY)
    at = board.status().count
    board.chip.encoder(1600)
    board.run_ms(50)
    there = board.status().count
    board.chip.encoder(1600, back=True)
    board.run_ms(20)
    assert board.status().count - there <= 60
    still = board.status().count
    board.run_ms(5)
    assert board.status().count == still > at
    board.chip.encoder(1600)
    board.run_ms(20)
    assert board.status().count == still, "it has not come back to where it was yet"
    board.run_ms(60)
    assert board.status().count > still
    board.close()


def test_noise_on_the_line_passes_nobody() -> None:
    board = Board()
    board.start(QUIET)
    board.run_ms(FLUSH_MS)
    random = np.random.default_rng(2)
    for number in range(1, 21):
        board.part(board.chip.cycle + MS, 4 * MS)
        data = bytearray(framing.encode(b"\x05" + b"\x01\0\0\0" + number.to_bytes(4, "little") + b"\x01\0"))
        data[int(random.integers(0, len(data) - 1))] ^= 1 << int(random.integers(0, 8))
        board.chip.write(random.bytes(30) + b"\0" + bytes(data))
        board.run_ms(20)
    board.run_ms(100)
    assert {row.why for row in board.rows().values()} == {Why.NO_VERDICT}
    assert len(board.rows()) == 20
    assert not moved(board.edges, GATE, True)
    assert board.status().damaged >= 20
    board.say(Judge(1, 1, Verdict.PASS))
    board.run_ms(5)
    assert board.status().mode == Mode.RUN
    board.close()


def test_a_whole_configuration_may_come_in_one_burst() -> None:
    """As the bridge pushes it: every key there is, without a pause, and a question after it."""
    board = Board()
    values = {key: 0 for key in Key} | SETTINGS | BUSY | SORTERS
    for _ in range(3):
        board.say(*(Set(key, value) for key, value in sorted(values.items())), Commit(config_crc(values.items())))
        board.say(Hello(0))
        board.run_ms(40)
    assert {ident.config_crc for ident in board.all(Ident)} == {config_crc(values.items())}
    board.chip.write(framing.encode(b"\x08"))
    board.run_ms(10)
    assert board.last(Counters).overruns == 0
    board.close()


def fire(board: Board, serial: int, output: int, pulse_ms: int) -> str:
    board.say(Fire(serial, output, pulse_ms))
    board.run_ms(3)
    fired = board.last(Fired)
    assert isinstance(fired, Fired)
    assert fired.serial == serial
    return Answer(fired.answer).name


@pytest.mark.parametrize("values", [BUSY, QUIET], ids=["encoder", "clock"])
def test_the_chip_makes_the_pulse_to_20_us_and_never_in_run(values: dict[Key, int]) -> None:
    board = Board()
    board.start(values | SORTERS | {Key.MAX_ON_MS: 60}, go=False)
    board.run_ms(1000)
    assert fire(board, 1, 0, 25) == "FIRED"
    board.run_ms(1100)
    assert fire(board, 2, 0, 500) == "FIRED"
    board.run_ms(1100)
    assert fire(board, 3, 2, 15) == "FIRED"
    board.run_ms(50)
    lengths = {mask: [off - on for (on, _), (off, _) in zip(m[::2], m[1::2], strict=True)]
               for mask, m in ((GATE, board.moved(GATE)), (SORTER_2, board.moved(SORTER_2)))}  # fmt: skip
    off_by = [abs(got - wanted * MS) / US for got, wanted in zip(
        lengths[GATE] + lengths[SORTER_2], (25, 60, 15), strict=True)]  # fmt: skip
    print("pulses off by", [f"{us:.2f} us" for us in off_by])
    assert max(off_by) <= 20
    board.say(Command(Order.RUN))
    board.run_ms(100)
    assert board.chip_outputs() & LINE_RUN
    edges = len(board.moved(GATE)), len(board.moved(SORTER_2))
    for serial, output in ((4, 0), (5, 2)):
        assert fire(board, serial, output, 25) == "NOT_READY"
    board.run_ms(100)
    assert (len(board.moved(GATE)), len(board.moved(SORTER_2))) == edges
    assert board.status().mode == Mode.RUN
    board.close()


def test_the_valve_is_open_before_and_while_the_belt_runs_in_every_piece_of_a_purge() -> None:
    """Stopped for longer than the valve may blow, then shut down and reset: what lay there at power-up is blown out."""
    board = Board()
    low_air = {Key.ENERGISED_PASSES: 0, Key.LEAD_MS: 5, Key.MAX_ON_MS: 100, Key.INPUTS: int(Input.LOW_AIR)}
    board.chip.pin(board.chip.cycle, "B", 3, False)
    board.start(BUSY | low_air, go=False)

    def move(ms: int) -> None:
        board.chip.encoder(ENCODER)
        board.run_ms(ms)
        board.chip.encoder(0)

    def order(which: Order) -> None:
        board.say(Command(which))
        board.run_ms(8)

    order(Order.RUN)
    move(20)
    order(Order.STOP)
    board.run_ms(200)
    order(Order.RUN)
    move(20)
    board.chip.pin(board.chip.cycle, "B", 3, True)
    board.run_ms(30)
    assert board.status().fault == Fault.LOW_AIR
    board.chip.pin(board.chip.cycle, "B", 3, False)
    board.run_ms(200)
    order(Order.RESET)
    at = board.chip.cycle
    order(Order.RUN)
    assert board.status().mode == Mode.RUN
    move(1500 * ENCODER // MS - 2)
    starts = [cycle for cycle, on in board.moved(LINE_RUN) if on]
    gate = board.moved(GATE)
    assert [on for _, on in gate] == [True, False, True, False, True], "the third purge is whole, and not over yet"
    for start, (opened, _) in zip(starts, gate[::2], strict=True):
        assert 5 * MS <= start - opened <= 7 * MS
    assert gate[-1][0] > at
    move(4)
    assert not board.chip_outputs() & GATE
    board.close()
