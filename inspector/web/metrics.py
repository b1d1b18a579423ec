"""The station's numbers for Prometheus.

What it is: the line's last status and the publisher's numbers, turned into metrics when asked for. What it is not: a
second set of the line's counters. Event loop.

Names and base units follow https://prometheus.io/docs/practices/naming/.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from inspector.link.client import LinkClient
from inspector.types import StationStatus
from inspector.web.mqtt import Publisher


class _StationCollector(Collector):
    def __init__(self, client: LinkClient, mqtt: Publisher | None) -> None:
        self._client = client
        self._mqtt = mqtt

    def collect(self) -> Iterator[Metric]:
        """What is known now; only the link's own numbers while there is no line."""
        age = self._client.status_age_s()
        yield GaugeMetricFamily("inspector_line_connected", "Whether a line is connected.", self._client.connected)
        if age is not None:
            yield GaugeMetricFamily("inspector_status_age_seconds", "Age of the line's last status.", age)
        if self._client.connected and self._client.status is not None:
            yield from _counts(self._client.status)
            yield from _state(self._client.status)
            yield from _numbers(self._client.status)
        if self._mqtt is not None:
            yield GaugeMetricFamily("inspector_mqtt_connected", "Whether the broker is there.", self._mqtt.connected)
            yield CounterMetricFamily("inspector_mqtt_results", "Results it acknowledged.", self._mqtt.published)


def exposition(client: LinkClient, mqtt: Publisher | None = None) -> bytes:
    """The metrics page."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_StationCollector(client, mqtt))
    return generate_latest(registry)


def _counts(status: StationStatus) -> Iterator[Metric]:
    counts = status.counts
    parts = CounterMetricFamily("inspector_parts", "Parts by verdict since the line started.", labels=["verdict"])
    for verdict in ("passed", "rejected", "not_inspected"):
        parts.add_metric([verdict], getattr(counts, verdict))
    yield parts
    yield CounterMetricFamily("inspector_parts_seen", "Parts the photo-eye saw.", counts.seen)
    yield CounterMetricFamily("inspector_records", "Records made.", counts.records)
    yield GaugeMetricFamily("inspector_parts_open", "Parts on the belt, without an outcome yet.", counts.open)


def _state(status: StationStatus) -> Iterator[Metric]:
    state = GaugeMetricFamily("inspector_state", "1 for the state the line is in.", labels=["state"])
    state.add_metric([status.state], 1)
    yield state
    alarms = GaugeMetricFamily("inspector_alarm_active", "1 for each active alarm.", labels=["code", "severity"])
    for alarm in status.alarms:
        alarms.add_metric([alarm.code, alarm.severity], 1)
    yield alarms


def _numbers(status: StationStatus) -> Iterator[Metric]:
    latency = GaugeMetricFamily(
        "inspector_latency_seconds", "Time of a stage, as the line reports it.", labels=["what"]
    )
    for what, ms in status.latency_ms.items():
        latency.add_metric([what], float("nan") if ms is None else ms / 1e3)
    yield latency
    slack = GaugeMetricFamily("inspector_slack_seconds", "Deadline minus sending of the verdict.", labels=["what"])
    for what, ms in status.slack_ms.items():
        slack.add_metric([what], float("nan") if ms is None else ms / 1e3)
    yield slack
    queues = GaugeMetricFamily(
        "inspector_queue", "The queues' counters: waiting, limit, dropped (also of pictures).", labels=["queue", "what"]
    )
    for queue, numbers in status.queues.items():
        for what, value in numbers.items():
            queues.add_metric([queue, what], value)
    yield queues
    link = GaugeMetricFamily("inspector_controller", "The link to the controller, its numbers.", labels=["what"])
    for what, value in status.link.items():
        if isinstance(value, (int, float)):
            link.add_metric([what], float(value))
    yield link
