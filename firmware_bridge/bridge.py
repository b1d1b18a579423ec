"""The station's side of the conversation with the reject controller.

What it is: a machine without I/O - bytes and the time go in, bytes and events come out - that greets, configures,
keeps the lease, syncs the clock, delivers verdicts until they are acknowledged, and reads every part's row until
its outcome is known. What it is not: a port or a thread (`port`), or any judgement. Belongs to the bridge thread.

Nothing here needs a message to arrive: whatever was lost is asked for again, by part number.
"""

from __future__ import annotations

from collections.abc import Iterable

from firmware_bridge import framing
from firmware_bridge import protocol as wire
from firmware_bridge.events import Event, LinkCounters, Linked, LinkLost, PartLost, Refused
from firmware_bridge.firing import Firing
from firmware_bridge.rows import Boot, Pending

_MS = 1_000_000
_GREET_NS = 100 * _MS
_RESEND_NS = _READ_NS = 15 * _MS
_READ_ROWS = 4
_ORDER_NS = 50 * _MS
_COUNT_EVERY = 10  # leases


class Bridge:
    """See the module. `settings` is what is pushed to the controller; `resume` is (boot, first part not recorded)."""

    def __init__(
        self, settings: dict[wire.Key, int], lease_ms: int, resume: tuple[int, int] | None = None, running: bool = False
    ) -> None:
        self._settings = settings
        self._crc = wire.config_crc(settings.items())
        self._lease_ms = lease_ms
        self._resume = resume
        self._wanted = running
        self._deframer = framing.Deframer()
        self._out = bytearray()
        self._boot: Boot | None = None
        self._linked = self._refused = self._was_reset = False
        self.last_serial = 0
        self._leases: dict[int, int] = {}
        self._next_greet_ns = self._next_lease_ns = self._next_read_ns = self._next_order_ns = self._heard_ns = 0
        self._orders: list[wire.Order] = []
        self.firing = Firing()
        self.counters = LinkCounters()
        self.status: wire.Status | None = None
        self.troubles: wire.Counters | None = None

    # -- what the station asks for -------------------------------------------------------------------------------

    def run(self) -> None:
        """Ask for the belt to run, and keep asking until the controller says it does."""
        self._wanted = True
        self._orders = [order for order in self._orders if order is wire.Order.RESET] + [wire.Order.RUN]

    def stop(self) -> None:
        """Ask for the belt to stand, and keep asking until it does."""
        self._wanted = False
        self._orders = [wire.Order.STOP]

    def reset(self) -> None:
        """A person clears a shutdown of the controller; leads to READY, never to RUN."""
        self._wanted = False
        self._orders = [wire.Order.RESET]

    def judge(self, part_id: int, verdict: wire.Verdict, now_ns: int, eject: int = 0) -> int | None:
        """Send a verdict and the sorter that is to fire, 0: none; returns the slack in ns (deadline minus now) or None.

        A verdict for another boot, or for a part already decided, is not sent: it could only do harm.
        """
        boot = self._boot
        number = part_id & 0xFFFFFFFF
        if boot is None or part_id >> 32 != boot.number or number not in boot.rows:
            return None
        row = boot.rows[number]
        if row.phase != wire.Phase.DECIDED:
            boot.pending[number] = Pending(verdict, now_ns, eject)
            self._send(wire.Judge(boot.number, number, verdict, eject))
        return boot.slack_ns(row, now_ns)

    def caught_up(self, boot: int, next_part: int) -> bool:
        """Whether the outcome of every part of `boot` before `next_part` has been told of."""
        return self._boot is not None and self._boot.number == boot and self._boot.low == next_part

    @property
    def settled(self) -> bool:
        """No order is on its way: the controller's mode is what was asked for."""
        return self._linked and not self._orders

    @property
    def linked(self) -> bool:
        """The controller is configured and answered within the lease."""
        return self._linked

    def queue(self) -> list[dict[str, int | str | None]]:
        """The parts that are not decided yet, oldest first (`rows.Boot.queue`); any thread."""
        return self._boot.queue() if self._boot else []

    @property
    def clock_error_ns(self) -> int:
        """How far the map of the two clocks may be off."""
        return self._boot.sync.error_ns if self._boot and self._boot.sync.ready else 0

    # -- bytes and time ------------------------------------------------------------------------------------------

    def receive(self, data: bytes, now_ns: int) -> list[Event]:
        """What the bytes just read mean."""
        events: list[Event] = []
        for payload in self._deframer.feed(data):
            message = wire.unpack(payload)
            self.counters.received += 1
            if message is None:
                self.counters.unknown += 1
                version = wire.foreign_version(payload)
                events += [] if version is None else self._refuse_version(version)
            else:
                events += self._hear(message, now_ns)
        self.counters.damaged = self._deframer.damaged
        return events

    def poll(self, now_ns: int) -> list[Event]:
        """Do what is due by now; the bytes are in `take_output`."""
        events: list[Event] = []
        for fire in self.firing.due(now_ns, self._linked):
            self._send(fire)
        if self._refused:
            return events
        if self._linked and now_ns - self._heard_ns > self._lease_ms * _MS:
            self._linked = False
            events.append(LinkLost())
        if not self._linked and now_ns >= self._next_greet_ns:
            self._greet(now_ns)
        if self._boot is not None and now_ns >= self._next_lease_ns:
            self._renew(now_ns)
        if self._linked:
            self._order_again(now_ns)
            self._resend(now_ns)
            events += self._read_missing(now_ns)
        return events

    def next_wake_ns(self) -> int:
        """When `poll` has something to do next, at the latest."""
        times = [self._next_lease_ns if self._boot else self._next_greet_ns]
        if not self._linked:
            times.append(self._next_greet_ns)
        if self._boot and self._linked:
            times += [pending.sent_ns + _RESEND_NS for pending in self._boot.pending.values()]
            if self._boot.missing() is not None:
                times.append(self._next_read_ns)
            if self._orders:
                times.append(self._next_order_ns)
        return min(times)

    def reopened(self, now_ns: int) -> None:
        """The port was opened anew: whoever is at its other end must introduce himself."""
        self.firing.lose()
        self._linked = False
        self._next_greet_ns = now_ns

    def take_output(self) -> bytes:
        """The bytes to write now."""
        data = bytes(self._out)
        self._out.clear()
        return data

    # -- hearing -------------------------------------------------------------------------------------------------

    def _hear(self, message: wire.Message, now_ns: int) -> Iterable[Event]:
        if isinstance(message, wire.Ident):
            return self._on_ident(message, now_ns)
        boot = self._boot
        if boot is None:
            return ()
        if isinstance(message, wire.Status):
            return self._on_status(message, boot, now_ns)
        if isinstance(message, wire.PartRow) and message.boot == boot.number:
            return boot.hear_row(message)
        if isinstance(message, wire.Counters):
            self.troubles = message
        if isinstance(message, wire.Fired):
            self.firing.hear(message)
        return ()

    def _on_ident(self, ident: wire.Ident, now_ns: int) -> Iterable[Event]:
        if ident.protocol != wire.PROTOCOL:
            yield from self._refuse_version(ident.protocol)
            return
        self._heard_ns = now_ns
        yield from self._begin_boot(ident)
        if ident.config_crc != self._crc:
            self._configure()
        elif not self._linked:
            self._linked = True
            self._orders = [wire.Order.RUN] if self._wanted else []
            self._next_lease_ns = now_ns
            yield Linked(ident.boot, self._was_reset)
            self._was_reset = False

    def _refuse_version(self, version: int) -> Iterable[Event]:
        return self._refuse(
            f"the controller speaks protocol {version:08x}, this station {wire.PROTOCOL:08x}: "
            "flash the controller with this version's firmware"
        )

    def _refuse(self, text: str) -> Iterable[Event]:
        self._refused = True
        return (Refused(text),)

    def _begin_boot(self, ident: wire.Ident) -> Iterable[Event]:
        old = self._boot
        if old is not None and old.number == ident.boot:
            return
        self._was_reset = old is not None
        if old is not None:
            # No auto-resume: whoever wanted the belt to run did not know of the reset.
            self._wanted = False
            yield from self._abandon(old.number, old.low, max(old.known_next, self._previous_end(old.number, ident)))
        elif self._resume and self._resume[0] != ident.boot:
            yield from self._abandon(*self._resume, self._previous_end(self._resume[0], ident))
        low = self._resume[1] if self._resume and self._resume[0] == ident.boot else 1
        self._boot = Boot.begin(ident, self._settings, low)
        self._linked = False
        self._leases.clear()

    @staticmethod
    def _previous_end(boot: int, ident: wire.Ident) -> int:
        return ident.previous_parts + 1 if ident.boot == boot + 1 else 0

    @staticmethod
    def _abandon(boot: int, first: int, end: int) -> Iterable[Event]:
        for number in range(first, end):
            yield PartLost(boot << 32 | number, "controller_reset")

    def _on_status(self, status: wire.Status, boot: Boot, now_ns: int) -> Iterable[Event]:
        if status.boot != boot.number or status.mode == wire.Mode.BOOT:
            # It was reset since: nothing it says counts before it has introduced itself again.
            self.reopened(now_ns)
            return ()
        if status.next_part < boot.low:
            return self._refuse(f"another controller that counts boot {boot.number} too: power it off and on once")
        self._heard_ns = now_ns
        self.status = status
        boot.hear_status(status, self._leases.pop(status.serial, None), now_ns)
        if self._orders and status.mode in wire.OBEYED[self._orders[0]]:
            del self._orders[0]
        return ()

    # -- speaking ------------------------------------------------------------------------------------------------

    def _send(self, message: wire.Message) -> None:
        self._out += framing.encode(wire.pack(message))
        self.counters.sent += 1

    def _greet(self, now_ns: int) -> None:
        self._next_greet_ns = now_ns + _GREET_NS
        self.counters.greetings += 1
        self._send(wire.Hello(wire.PROTOCOL))

    def _configure(self) -> None:
        self._send(wire.Command(wire.Order.STOP))
        for key, value in sorted(self._settings.items()):
            self._send(wire.Set(key, value))
        self._send(wire.Commit(self._crc))

    def _renew(self, now_ns: int) -> None:
        self._next_lease_ns = now_ns + self._lease_ms * _MS // 5
        self.last_serial = (self.last_serial + 1) % 2**16
        self._leases[self.last_serial] = now_ns
        while len(self._leases) > 16:
            del self._leases[next(iter(self._leases))]
        self._send(wire.Lease(self.last_serial, self._lease_ms))
        if self.last_serial % _COUNT_EVERY == 0:
            self._send(wire.Count())

    def _order_again(self, now_ns: int) -> None:
        if self._orders and now_ns >= self._next_order_ns:
            self._next_order_ns = now_ns + _ORDER_NS
            self._send(wire.Command(self._orders[0]))

    def _resend(self, now_ns: int) -> None:
        assert self._boot is not None
        for number, pending in self._boot.pending.items():
            if now_ns - pending.sent_ns >= _RESEND_NS:
                pending.sent_ns = now_ns
                self.counters.resent += 1
                self._send(wire.Judge(self._boot.number, number, pending.verdict, pending.eject))

    def _read_missing(self, now_ns: int) -> Iterable[Event]:
        boot = self._boot
        assert boot is not None
        if now_ns < self._next_read_ns:
            return
        yield from boot.overwritten()
        if (number := boot.missing()) is not None:
            self._next_read_ns = now_ns + _READ_NS
            self.counters.reread += 1
            self._send(wire.Read(number, _READ_ROWS))
