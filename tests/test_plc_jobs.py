"""The PLC's jobs are loaded beside the line, and a station that ends does not cut a loading off."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

from inspector.errors import ConfigError
from inspector.plc_jobs import PlcJobs

KNOWN = {1: "one", 2: "two", 3: "three"}
FIRST: Any = SimpleNamespace(recipe=SimpleNamespace(id="one"))


def test_every_job_is_loaded_or_says_why_not() -> None:
    def load(recipe_id: str) -> Any:
        if recipe_id == "two":
            raise ConfigError("no such model")
        return recipe_id

    jobs = PlcJobs(KNOWN, FIRST, load)
    assert (jobs.line(1), jobs.line(2)) == (FIRST, None)
    jobs.run()
    assert (jobs.line(2), jobs.line(3)) == ("no such model", "three")
    assert (jobs.number_of("three"), jobs.number_of("none")) == (3, 0)


def test_a_station_that_ends_waits_for_the_job_being_loaded() -> None:
    """A model's runtime does not survive the end of the process in the middle of a loading: the process aborts."""
    begun, may_end = threading.Event(), threading.Event()
    loaded: list[str] = []

    def load(recipe_id: str) -> Any:
        begun.set()
        assert may_end.wait(10)
        loaded.append(recipe_id)
        return recipe_id

    jobs = PlcJobs(KNOWN, FIRST, load)
    jobs.start()
    assert begun.wait(10)
    ending = threading.Thread(target=jobs.stop)
    ending.start()
    ending.join(0.05)
    assert ending.is_alive()
    may_end.set()
    ending.join(10)
    assert not jobs.is_alive()
    assert loaded == ["two"], "and loads no other"
