"""What differs between two versions of a recipe, and how two people's changes of one version come together.

What it is: pure functions over the tables of a TOML file. What it is not: files (`recipe_book`) or the schema
(`recipe`). Any thread.

Tables of a list (`[[zone]]`, `[[measure]]` ...) are told apart by their `name`, so that a zone that someone put in
front of another does not change the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_GONE: Any = object()


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that is not the same: `old` or `new` is None where it is not there at all."""

    key: str
    old: Any
    new: Any


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[Difference]:
    """Every value that differs, by a key such as `threshold` or `zone[rim].polygon`, in the order of the new."""
    before, after = dict(_flat("", old)), dict(_flat("", new))
    keys = list(dict.fromkeys([*after, *before]))
    return [Difference(key, before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)]


def merged(base: Any, mine: Any, theirs: Any) -> Any:
    """Both people's changes of `base`; where both changed the same value, mine."""
    if mine == base:
        return theirs
    if theirs in (base, mine):
        return mine
    if isinstance(mine, dict) and isinstance(theirs, dict):
        known = base if isinstance(base, dict) else {}
        return _merged_tables(known, mine, theirs)
    if _named(mine) and _named(theirs) and (base is _GONE or _named(base)):
        tables = _merged_tables({} if base is _GONE else _by_name(base), _by_name(mine), _by_name(theirs))
        return list(tables.values())
    return mine


def conflicts(base: dict[str, Any], mine: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """The keys that both changed, each to another value."""
    known, ours, others = (dict(_flat("", tables)) for tables in (base, mine, theirs))
    keys = dict.fromkeys([*ours, *others, *known])
    return [
        key
        for key in keys
        if ours.get(key) != others.get(key) and known.get(key) not in (ours.get(key), others.get(key))
    ]


def _merged_tables(base: dict[str, Any], mine: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for key in dict.fromkeys([*theirs, *mine]):
        value = merged(base.get(key, _GONE), mine.get(key, _GONE), theirs.get(key, _GONE))
        if value is not _GONE:
            found[key] = value
    return found


def _named(value: Any) -> bool:
    if not isinstance(value, list) or not all(isinstance(one, dict) and "name" in one for one in value):
        return False
    return len(_by_name(value)) == len(value)


def _by_name(tables: list[dict[str, Any]]) -> dict[str, Any]:
    return {str(table["name"]): table for table in tables}


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(f"{prefix}.{key}" if prefix else str(key), inner)
    elif value and _named(value):
        for name, table in _by_name(value).items():
            yield from _flat(f"{prefix}[{name}]", table)
    else:
        yield prefix, value
