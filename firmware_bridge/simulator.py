"""The reject controller, simulated: the same bytes and the same rules as the firmware, in Python.

What it is: the twin that tests, `--fast` runs and `sim://` speak to. It lives in the time it is handed. What it is
not: the rules of the reject contract (`simulated_parts`), the belt, or the firmware. One thread at a time.
"""

from __future__ import annotations

from firmware_bridge import framing
from firmware_bridge.belt import Belt, PartState
from firmware_bridge.protocol import (
    PROTOCOL,
    RING,
    Command,
    Commit,
    Count,
    Counters,
    Fault,
    Fire,
    Fired,
    Hello,
    Ident,
    Input,
    Judge,
    Key,
    Lease,
    Message,
    Mode,
    Order,
    PartRow,
    Read,
    Set,
    Status,
    Verdict,
    config_crc,
    pack,
    unpack,
)
from firmware_bridge.settings import REQUIRED, settings_error
from firmware_bridge.simulated_outputs import Place
from firmware_bridge.simulated_parts import Parts

CLOCK_HZ = 2_000_000
_WATCHDOG = 8
_MS = 1_000_000


class SimulatedController:
    """See the module. `clock_start` is what its 32-bit clock shows at 0 ns, `drift_ppm` how wrong its crystal is."""

    def __init__(self, belt: Belt, *, boot: int = 1, clock_start: int = 0, drift_ppm: float = 0.0) -> None:
        self._belt = belt
        self._clock_start = clock_start
        self._rate = CLOCK_HZ / 1e9 * (1 + drift_ppm * 1e-6)
        self._output: list[tuple[int, bytes]] = []
        self.boot = boot
        self.seen_before = 0
        self._power_up(0, previous_parts=0, cause=1)

    def _power_up(self, at_ns: int, previous_parts: int, cause: int, blocked: bool = False) -> None:
        self._previous_parts = previous_parts
        self._reset_cause = cause
        self._staged: dict[int, int] = {}
        self._config_crc = 0
        self._deframer = framing.Deframer()
        self._unknown_messages = 0
        place = Place(self._belt, self._clock_start, self._rate)
        self.parts = Parts(self._belt, place, self._tell, at_ns, blocked)
        if cause & _WATCHDOG:
            self.parts.shut_down(Fault.WATCHDOG)

    @property
    def total_seen(self) -> int:
        """Parts seen over all boots."""
        return self.seen_before + self.parts.next_part - 1

    def reset(self, at_ns: int, cause: int = 2) -> None:
        """The reset pin: memory is gone, outputs fall to their safe state, the boot counter goes up.

        `cause` as in the AVR's MCUSR: 1 power, 2 the pin, 4 brown-out, 8 the watchdog.
        """
        self.parts.advance(at_ns)
        self.parts.power_off()
        self.boot += 1
        seen = self.parts.next_part - 1
        self.seen_before += seen
        self._power_up(at_ns, previous_parts=seen, cause=cause, blocked=self.parts.blocked)

    def receive(self, data: bytes, at_ns: int) -> None:
        """Bytes from the station, at the time their last one arrived."""
        self.parts.advance(at_ns)
        for payload in self._deframer.feed(data):
            message = unpack(payload)
            if message is None:
                self._unknown_messages += 1
            else:
                self._hear(message, at_ns)

    def set_input(self, which: Input, active: bool, at_ns: int) -> None:
        """An input pin changed: the confirmation sensor, bin full, low air."""
        self.parts.advance(at_ns)
        self.parts.set_input(which, active)

    def take_output(self) -> list[tuple[int, bytes]]:
        """Frames sent since the last call, each with the time its first byte left."""
        output, self._output = self._output, []
        return output

    def advance(self, to_ns: int) -> None:
        """Do everything that is due up to and including `to_ns`."""
        self.parts.advance(to_ns)

    def next_event_ns(self) -> int | None:
        """When `advance` has something to do next."""
        return self.parts.next_event_ns()

    # -- the wire --------------------------------------------------------------------------------------

    def _clock(self, at_ns: int) -> int:
        return (self._clock_start + int(at_ns * self._rate)) % 2**32

    def _send(self, message: Message) -> None:
        self._output.append((self.parts.now_ns, framing.encode(pack(message))))

    def _tell(self, part: PartState) -> None:
        self._send(
            PartRow(
                boot=self.boot,
                part=part.number,
                phase=part.phase,
                verdict=part.verdict,
                why=part.why,
                confirmed=part.confirmed,
                seen_count=part.seen_count % 2**32,
                seen_clock=self._clock(part.seen_ns),
                trigger_clock=0 if part.trigger_ns is None else self._clock(part.trigger_ns),
                decided_count=part.decided_count % 2**32,
            )
        )

    def _tell_status(self, serial: int) -> None:
        flags = self.parts.blocked | self.parts.leased << 1 | (self.parts.mode is Mode.RUN) << 2 | self.parts.gate << 3
        self._send(
            Status(
                serial=serial,
                boot=self.boot,
                clock=self._clock(self.parts.now_ns),
                count=self._belt.count_at(self.parts.now_ns) % 2**32,
                next_part=self.parts.next_part,
                open_part=self.parts.open_part,
                mode=self.parts.mode,
                fault=self.parts.fault,
                flags=flags,
                damaged=self._deframer.damaged % 2**16,
            )
        )

    def _hear(self, message: Message, at_ns: int) -> None:
        if isinstance(message, Set):
            if self.parts.mode is not Mode.RUN:
                self._staged[message.key] = message.value
        elif isinstance(message, Lease):
            self.parts.lease_until_ns = at_ns + message.lease_ms * _MS
            self._tell_status(message.serial)
        elif isinstance(message, Judge):
            self._on_judge(message)
        elif isinstance(message, Command):
            self._on_order(message.order)
        else:
            self._answer(message)

    def _answer(self, message: Message) -> None:
        if isinstance(message, Hello):
            self._introduce()
        elif isinstance(message, Commit):
            self._commit(message.crc)
        elif isinstance(message, Read):
            for number in range(message.first, min(message.first + message.rows, self.parts.next_part)):
                part = self.parts.rows.get(number)
                if part is not None:
                    self._tell(part)
        elif isinstance(message, Count):
            self._tell_counters()
        elif isinstance(message, Fire):
            firing = self.parts.firing
            firing.ask(self.parts.mode, message.serial, message.output, message.pulse_ms, self.parts.now_ns)
            self._send(Fired(message.serial, firing.answer))
        else:
            self._unknown_messages += 1

    def _tell_counters(self) -> None:
        counters = self.parts.rows.counters
        self._send(
            Counters(
                late=counters.late % 2**16,
                stale=counters.stale % 2**16,
                unknown_part=counters.unknown_part % 2**16,
                repeated=counters.repeated % 2**16,
                contradictions=counters.contradictions % 2**16,
                unknown_message=self._unknown_messages % 2**16,
                glitches=0,
                unexpected=self.parts.confirmations.unexpected % 2**16,
                limited=self.parts.limited % 2**16,
                most_in_flight=counters.most_in_flight % 2**16,
                overruns=0,
            )
        )

    def _introduce(self) -> None:
        self._send(
            Ident(
                protocol=PROTOCOL,
                boot=self.boot,
                previous_parts=self._previous_parts,
                clock_hz=CLOCK_HZ,
                config_crc=self._config_crc,
                ring=RING,
                reset_cause=self._reset_cause,
            )
        )

    def _commit(self, crc: int) -> None:
        staged, self._staged = self._staged, {}
        complete = {int(key) for key in REQUIRED} <= set(staged) <= {int(key) for key in Key}
        if complete and config_crc(staged.items()) == crc and self.parts.mode is not Mode.RUN:
            values = {Key(key): value for key, value in staged.items()}
            if not settings_error(values):
                self._config_crc = crc
                self.parts.configure(values)
        self._introduce()

    def _on_judge(self, message: Judge) -> None:
        if message.boot != self.boot:
            self.parts.rows.counters.stale += 1
        elif message.verdict not in (Verdict.PASS, Verdict.REJECT, Verdict.NOT_INSPECTED):
            self.parts.rows.counters.unknown_part += 1
        else:
            self.parts.rows.judge(message.part, Verdict(message.verdict), message.eject)

    def _on_order(self, order: int) -> None:
        if order == Order.RUN:
            self.parts.run()
        elif order == Order.STOP:
            self.parts.stop()
        elif order == Order.RESET:
            self.parts.reset_fault()
        self._tell_status(0)
