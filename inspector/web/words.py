"""The words of the screens in another language: gettext's .po files, read at start.

What it is: catalogues and the choice of one. What it is not: extraction, which Babel does in a test. Any thread.

The .po file is the only form: it is read here into a table when the web starts (a few ms), so there is no compiled
file that can be old, and no command to run. Decision 0191. `pseudo` is a language for tests: every word 40 % longer.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from inspector.errors import ConfigError

LOCALE = Path(__file__).parent / "locale"
LANGUAGES = {"en": "English", "zh": "中文"}
PSEUDO = "pseudo"
_ACCENTED = str.maketrans("aceinosuyAEIOU", "àçéîñôšûýÀÉÎÔÛ")
_FIELD = re.compile(r"(\{\w*\}|\n)")
_IN_SCRIPT = re.compile(r"""\b_\(\s*("(?:[^"\\]|\\.)*")""")


def mark(message: str) -> str:
    """A message that is translated where it is shown; the name makes Babel find it."""
    return message


class Words:
    """One language. `words("Part {id}", id=7)` is that text in it; what it lacks stays English."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._table = {} if language in ("en", PSEUDO) else read_po(LOCALE / f"{language}.po")

    def __call__(self, message: str, **fields: Any) -> str:
        """The message in this language, with its fields filled in."""
        found = stretched(message) if self.language == PSEUDO else self._table.get(message) or message
        return found.format(**fields) if fields else found

    def for_script(self, *scripts: Path) -> str:
        """What the given scripts say through `_("...")`, as the JSON of a page; safe inside a script element."""
        said = {json.loads(found) for script in scripts for found in _IN_SCRIPT.findall(script.read_text("utf-8"))}
        table = {} if self.language == "en" else {message: self(message) for message in sorted(said)}
        return json.dumps(table, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def stretched(message: str) -> str:
    """The message in the test's language: accented, bracketed, and 40 % longer."""
    parts = [part if _FIELD.fullmatch(part) else part.translate(_ACCENTED) for part in _FIELD.split(message)]
    more = max(1, round(0.4 * len(_FIELD.sub("", message))) - 2)
    return f"[{''.join(parts)}{'~' * more}]"


def read_po(path: Path) -> dict[str, str]:
    """Message and translation of a .po file without plurals and contexts; raises ConfigError where it is not one."""
    table: dict[str, str] = {}
    for number, message, translation in _entries(path):
        if message in table:
            raise ConfigError(f"{path.name}: line {number}: {message!r} is there twice")
        table[message] = translation
    table.pop("", None)
    return table


def _entries(path: Path) -> Iterator[tuple[int, str, str]]:
    entry = {"msgid": "", "msgstr": ""}
    into = ""
    lines = path.read_text("utf-8").splitlines()
    for number, line in enumerate([*lines, 'msgid ""'], 1):
        if not line.strip() or line.startswith("#"):
            continue
        keyword, _, quoted = ("", "", line) if line.startswith('"') else line.partition(" ")
        if keyword == "msgid":
            if into == "msgstr":
                yield number, entry["msgid"], entry["msgstr"]
            entry = {"msgid": "", "msgstr": ""}
        into = keyword or into
        if into not in entry or not re.fullmatch(r'"(?:[^"\\]|\\.)*"', quoted.strip()):
            raise ConfigError(f"{path.name}: line {number}: is {line!r}, wanted msgid or msgstr and a quoted text")
        entry[into] += ast.literal_eval(quoted.strip())


def chosen_language(wanted: str, accepted: str) -> str:
    """The language a person chose, else the first the browser accepts that there is, else English."""
    if wanted in LANGUAGES or wanted == PSEUDO:
        return wanted
    for part in accepted.split(","):
        short = part.partition(";")[0].strip().lower().partition("-")[0]
        if short in LANGUAGES:
            return short
    return "en"
