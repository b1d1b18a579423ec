"""The recipes of a station: the TOML files beside the one it starts with.

What it is: a listing for the API. What it is not: the choice; the line is asked to change and may refuse. Thread pool.
"""

from __future__ import annotations

from inspector.config import StationConfig, load_toml
from inspector.errors import ConfigError
from inspector.recipe import load_recipe
from inspector.web.schemas import RecipeOut


def recipes_of(config: StationConfig, active_revision: str) -> list[RecipeOut]:
    """Every file that calls itself a recipe (it has `id` and `model`), sorted by name, with what is wrong with it."""
    found = []
    for path in sorted(config.path(config.station.recipe).parent.glob("*.toml")):
        try:
            tables = load_toml(path)
        except ConfigError:
            continue
        if not {"id", "model"} <= tables.keys():
            continue
        shown = RecipeOut(id=str(tables["id"]), description="", revision="", file=path.name, active=False, trouble="")
        try:
            recipe = load_recipe(path)
        except ConfigError as why:
            found.append(shown.model_copy(update={"trouble": str(why)}))
            continue
        known = {"description": recipe.description, "revision": recipe.revision}
        found.append(shown.model_copy(update=known | {"active": recipe.revision == active_revision}))
    return found
