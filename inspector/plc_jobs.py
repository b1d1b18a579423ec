"""The PLC's jobs: every recipe that it may ask for, loaded before it asks.

What it is: job numbers and the lines behind them; the models are loaded one after the other in the thread `jobs`, so
that a change costs nothing between two parts. What it is not: the change (`plc_side`). Line thread, but for `run`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from inspector.errors import StationError
from inspector.line import Line


class PlcJobs(threading.Thread):
    """See the module. `known` is the recipe id of every job number; `load` makes a line, and raises StationError."""

    def __init__(self, known: Mapping[int, str], first: Line, load: Callable[[str], Line]) -> None:
        super().__init__(name="jobs", daemon=True)
        self.known = dict(known)
        self._load = load
        self._stopping = False
        self._ready: dict[int, Line | str] = {
            number: first for number, recipe_id in self.known.items() if recipe_id == first.recipe.id
        }

    def number_of(self, recipe_id: str) -> int:
        """The job whose recipe this is; 0 if there is none."""
        return next((number for number, known in self.known.items() if known == recipe_id), 0)

    def line(self, number: int) -> Line | str | None:
        """The line of a job; why it cannot be loaded, or None while it is not loaded yet."""
        return self._ready.get(number)

    def replace(self, number: int, line: Line) -> None:
        """A person has loaded this job's recipe anew."""
        self._ready[number] = line

    def stop(self) -> None:
        """Load no more, and wait for the one being loaded: a runtime cut off in that aborts the whole process."""
        self._stopping = True
        if self.is_alive():
            self.join()

    def run(self) -> None:
        """Load what is not loaded yet, then end."""
        for number, recipe_id in self.known.items():
            if number not in self._ready and not self._stopping:
                self._ready[number] = self._try(recipe_id)

    def _try(self, recipe_id: str) -> Line | str:
        try:
            return self._load(recipe_id)
        except StationError as why:
            return str(why)
        except Exception as why:  # noqa: BLE001 - the outermost line of the thread
            return f"{type(why).__name__}: {why}"
