"""The recipe editor's form: from a recipe's tables to fields, and from fields back to tables.

What it is: pure translation, with what is wrong told by field. What it is not: the schema (`recipe`) or the files
(`recipe_book`). Any thread.

Fields are named by the key they set (`threshold`, `health.dark_fraction`, `measure.0.plus`); zones and ignore regions
come from the picture as one JSON list. What the form does not know of - codes, lines, circles - stays as it is.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from inspector.config import Section, problems
from inspector.recipe import HealthLimits, LocateLimits, Recipe

LIMITS: dict[str, type[Section]] = {"health": HealthLimits, "locate": LocateLimits}
_SIMPLE = ("threshold", "min_defect_area_px")
_TEXTS = ("description", "model")
_OF_MEASURE = ("nominal", "plus", "minus")
_OF_SHAPE = {"zone": ("name", "polygon", "threshold"), "ignore_region": ("name", "polygon")}
MOST_SHAPES = 100
MOST_CORNERS = 500


def defaults() -> dict[str, Any]:
    """What holds where a recipe does not say otherwise, by field."""
    found = {name: Recipe.model_fields[name].default for name in (*_SIMPLE, "description")}
    for section, schema in LIMITS.items():
        found |= {f"{section}.{name}": field.default for name, field in schema.model_fields.items()}
    return found


def limit_names() -> dict[str, list[str]]:
    """The keys of each section of limits."""
    return {section: list(schema.model_fields) for section, schema in LIMITS.items()}


def fields_of(tables: Mapping[str, Any]) -> dict[str, str]:
    """What stands in each field, as text."""
    values = defaults() | {name: tables[name] for name in (*_SIMPLE, *_TEXTS) if name in tables}
    for section in LIMITS:
        values |= {f"{section}.{name}": value for name, value in tables.get(section, {}).items()}
    for number, measure in enumerate(tables.get("measure", [])):
        values |= {f"measure.{number}.{name}": measure.get(name, "") for name in _OF_MEASURE}
    return {name: str(value) for name, value in values.items()} | {"shapes": json.dumps(shapes_of(tables))}


def shapes_of(tables: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Zones and ignore regions as the picture shows them."""
    zones = [{"kind": "zone", **zone} for zone in tables.get("zone", [])]
    return zones + [{"kind": "ignore_region", **region} for region in tables.get("ignore_region", [])]


def tables_from(
    fields: Mapping[str, str], base: Mapping[str, Any], path: Path
) -> tuple[dict[str, Any], dict[str, str]]:
    """`base` with what the fields say, and what is wrong with it by field; `path` is the recipe's file."""
    tables, wrong = deepcopy(dict(base)), dict[str, str]()
    for name in _TEXTS:
        if fields.get(name, "").strip() or name in base:
            tables[name] = fields.get(name, tables.get(name, "")).strip()
    for name, default in defaults().items():
        if name in fields and name != "description":
            _set(tables, name, fields[name], default, wrong)
    for number, measure in enumerate(tables.get("measure", [])):
        for name in _OF_MEASURE:
            if (field := f"measure.{number}.{name}") in fields:
                measure[name] = _number(fields[field], field, wrong)
    if "shapes" in fields:
        _set_shapes(tables, fields["shapes"], wrong)
    for key, text in problems(Recipe, tables | {"folder": path.parent}).items():
        wrong.setdefault(key, text)
    return tables, wrong


def _set(tables: dict[str, Any], name: str, text: str, default: Any, wrong: dict[str, str]) -> None:
    section, _, key = name.rpartition(".")
    value = _number(text, name, wrong)
    table = tables.get(section, {}) if section else tables
    # What nobody wrote down stays unwritten, so that a better default of a later program is taken.
    if key in table or value != default:
        table[key] = value
        if section:
            tables[section] = table


def _number(text: str, name: str, wrong: dict[str, str]) -> float | int | str:
    text = text.strip()
    if re.fullmatch(r"-?\d{1,15}", text):
        return int(text)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        wrong[name] = f"'{name}' is {text!r}, wanted a number"
        return text
    return value


def _set_shapes(tables: dict[str, Any], text: str, wrong: dict[str, str]) -> None:
    try:
        shapes = json.loads(text)
        assert isinstance(shapes, list)
        assert all(isinstance(shape, dict) and isinstance(shape.get("polygon"), list) for shape in shapes)
    except (ValueError, AssertionError, RecursionError):
        wrong["shapes"] = "the regions of the picture cannot be read; reload the page"
        return
    if len(shapes) > MOST_SHAPES or any(len(shape["polygon"]) > MOST_CORNERS for shape in shapes):
        wrong["shapes"] = f"at most {MOST_SHAPES} regions of {MOST_CORNERS} corners each"
        return
    names = [shape.get("name") for shape in shapes]
    for name in names:
        if names.count(name) > 1:
            wrong["shapes"] = f"{name!r} is the name of two regions; give each its own"
    for kind, keys in _OF_SHAPE.items():
        found = [{key: shape.get(key) for key in keys} for shape in shapes if shape.get("kind") == kind]
        if found or kind in tables:
            tables[kind] = found
        if not found:
            tables.pop(kind, None)
