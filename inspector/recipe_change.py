"""Another recipe for a line that goes on judging: loaded on a thread of its own, taken over between two parts.

What it is: one change at a time, from the command to the loaded `Line`. What it is not: the taking over (`running`), or
the decision whether it may be. `start` and `done` belong to the line thread, the loading to the thread `recipe`.

Loading a model and proving its reference outputs takes a second or so; on the line thread that would be a second in
which no part is judged.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

from inspector.errors import StationError
from inspector.line import Line
from inspector.link.server import Asked


@dataclass(frozen=True, slots=True)
class Changed:
    """What came of a command: the line that was loaded, or why it could not be."""

    asked: Asked
    line: Line | None
    trouble: str = ""


class RecipeChange:
    """See the module."""

    def __init__(self) -> None:
        self._results: queue.SimpleQueue[Changed] = queue.SimpleQueue()
        self._loading = ""

    @property
    def loading(self) -> str:
        """The recipe that is being loaded, or empty."""
        return self._loading

    def start(self, asked: Asked, load: Callable[[str], Line]) -> str:
        """Begin to load what a command asks for; the reason if that is refused."""
        if self._loading:
            return f"recipe {self._loading!r} is being loaded; ask again when it is there"
        self._loading = asked.command.argument
        threading.Thread(target=self._run, args=(asked, load), name="recipe", daemon=True).start()
        return ""

    def done(self) -> Changed | None:
        """What came of the change, once; None while there is nothing to tell."""
        try:
            changed = self._results.get_nowait()
        except queue.Empty:
            return None
        self._loading = ""
        return changed

    def _run(self, asked: Asked, load: Callable[[str], Line]) -> None:
        try:
            self._results.put(Changed(asked, load(asked.command.argument)))
        except StationError as why:
            self._results.put(Changed(asked, None, str(why)))
        except Exception as why:  # noqa: BLE001 - the outermost line of the thread
            self._results.put(Changed(asked, None, f"the recipe cannot be loaded: {type(why).__name__}: {why}"))
