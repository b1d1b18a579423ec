"""What is wrong with a key of a TOML file, in a person's words.

What it is: sentences from pydantic's errors. What it is not: the schemas (`config`, `recipe`). Pure; any thread.
"""

from __future__ import annotations

import difflib
from typing import Any

from pydantic import BaseModel, ValidationError


def key_of(error: Any) -> str:
    """The dotted key (`zone.0.threshold`) of one of pydantic's errors."""
    return ".".join(str(step) for step in error["loc"])


def in_words(schema: type[BaseModel], error: Any) -> str:
    """What is wrong, with the nearest right key for a misspelt one."""
    key = key_of(error)
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(error["loc"][-1]), _keys_at(schema, error["loc"][:-1]), n=1)
        return f"unknown key '{key}'" + (f" (did you mean '{near[0]}'?)" if near else "")
    if error["type"] == "missing":
        return f"key '{key}' is missing"
    return f"key '{key}' is {error['input']!r}: {error['msg']}"


def problems(schema: type[BaseModel], tables: dict[str, Any]) -> dict[str, str]:
    """What is wrong with `tables`, by dotted key (`zone.0.threshold`); empty where `config.parse` would take them."""
    try:
        schema.model_validate(tables)
    except ValidationError as why:
        found: dict[str, str] = {}
        for error in why.errors():
            found.setdefault(key_of(error), in_words(schema, error))
        return found
    return {}


def _keys_at(schema: type[BaseModel], steps: tuple[int | str, ...]) -> list[str]:
    for step in steps:
        field = schema.model_fields.get(str(step))
        if field is None:
            continue
        inner = [kind for kind in _classes(field.annotation) if issubclass(kind, BaseModel)]
        if inner:
            schema = inner[0]
    return list(schema.model_fields)


def _classes(annotation: Any) -> list[type]:
    if isinstance(annotation, type):
        return [annotation]
    return [kind for inner in getattr(annotation, "__args__", ()) for kind in _classes(inner)]
