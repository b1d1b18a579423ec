"""The recipe pages: versions, the editor, putting one in force, rolling back.

What it is: routes that answer HTML; what they change is in the recipe book and the audit log. What it is not: the
versions themselves (`recipe_book`), the form (`recipe_form`) or the line, which is asked and may refuse. Thread pool;
activation in the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from inspector.errors import ConfigError, LinkError, ModelError, StationError
from inspector.recipe_book import RecipeBook, RecipeChanged, Version
from inspector.recipe_changes import Difference, conflicts, differences, merged
from inspector.web.audited import audited
from inspector.web.errors import ApiError
from inspector.web.job_pages import ask_job, go_to
from inspector.web.pictures import models_beside, taught_patch
from inspector.web.recipe_form import fields_of, limit_names, tables_from
from inspector.web.recipes import recipes_of
from inspector.web.roles import Role, Who, require
from inspector.web.shell import render, words_of
from inspector.web.words import mark

pages = APIRouter(prefix="/recipes", include_in_schema=False, dependencies=[Depends(require(Role.QUALITY))])
T = TypeVar("T")
SAID = {
    "saved": mark("Saved as a new version. It judges parts once it is put in force."),
    "running": mark("In force. The line judges by it from the next part on."),
    "later": mark("In force. The line runs another recipe, and takes this version when it changes to this one."),
    "created": mark("The recipe is there. Teach its model, or choose one, before the line changes to it."),
}


@pages.get("")
def list_page(request: Request) -> HTMLResponse:
    """All recipes of the station."""
    told = request.app.state.client.status
    recipes = recipes_of(request.app.state.config, "" if told is None else told.recipe_rev)
    book = _book(request)
    newest = {one.id: book.versions(one.id)[0] for one in recipes if one.id in book.files()}
    return render(request, "recipes.html", recipes=recipes, newest=newest, running=_running(request)[0])


@pages.get("/{recipe_id}")
def detail_page(request: Request, recipe_id: str, said: str = "") -> HTMLResponse:
    """One recipe: its versions, and what differs from what is in force."""
    return _detail(request, recipe_id, said=SAID.get(said, ""))


@pages.get("/{recipe_id}/edit")
def edit_page(request: Request, recipe_id: str, version: Annotated[int, Query(ge=1)]) -> HTMLResponse:
    """The editor, filled from a version."""
    tables, newest = _tables(request, recipe_id, version), _versions(request, recipe_id)[0]
    return _editor(request, recipe_id, version, newest.number, fields_of(tables), {})


@pages.post("/{recipe_id}/edit")
async def save(request: Request, recipe_id: str) -> Response:
    """Save what the form says as a new version, or tell what is wrong, or that somebody was faster."""
    form = await request.form(max_files=0, max_fields=400, max_part_size=2_000_000)
    fields = {name: value for name, value in form.items() if isinstance(value, str)}
    return await asyncio.to_thread(_save, request, recipe_id, fields)


@pages.post("/{recipe_id}/versions/{number}/activate")
async def activate(request: Request, recipe_id: str, number: int) -> Response:
    """Put a version in force; the running line takes it between two parts, or refuses and nothing changes."""
    book, who = _book(request), _who(request)
    if number == await asyncio.to_thread(_in_force, request, recipe_id) and _running(request)[0] != recipe_id:
        return _to(recipe_id, "later")
    try:
        before = await asyncio.to_thread(_put_in_force, request, recipe_id, number)
    except ConfigError as why:
        return await asyncio.to_thread(_detail, request, recipe_id, trouble=str(why), status=409)
    if _running(request)[0] != recipe_id:
        return _to(recipe_id, "later")
    try:
        reply = await request.app.state.client.command("recipe", recipe_id, user=who.name)
        refused = "" if reply.ok else reply.error
    except LinkError as why:
        refused = str(why)
    if not refused:
        return _to(recipe_id, "running")
    await asyncio.to_thread(book.put_in_force, recipe_id, before, who.name)
    await asyncio.to_thread(audited, request, "recipe.activation_refused", recipe_id, old=number, new=before)
    trouble = words_of(request)("The line refused version {number}: {reason}", number=number, reason=refused)
    return await asyncio.to_thread(_detail, request, recipe_id, trouble=trouble, status=409)


@pages.post("/{recipe_id}/what-if")
def what_if(
    request: Request,
    recipe_id: str,
    version: Annotated[int, Form(ge=1)],
    parts: Annotated[int, Form(ge=1, le=2000)] = 200,
) -> Response:
    """Ask for the last parts to be judged by a version that is not in force."""
    _tables(request, recipe_id, version)
    title = f"{recipe_id}, version {version}, {parts} parts"
    return go_to(ask_job(request, "what_if", title, {"recipe_id": recipe_id, "version": version, "parts": parts}))


@pages.post("/{recipe_id}/copy")
def copy(request: Request, recipe_id: str, new_id: Annotated[str, Form(max_length=64)]) -> Response:
    """A new recipe with the values of this one."""
    book = _book(request)
    tables = _tables(request, recipe_id, _in_force(request, recipe_id))
    try:
        book.create(new_id, tables, _who(request).name, f"copied from {recipe_id}")
    except ConfigError as why:
        return _detail(request, recipe_id, trouble=str(why), status=422)
    audited(request, "recipe.create", new_id, new={"copied_from": recipe_id})
    return _to(new_id, "created")


@pages.get("/{recipe_id}/picture.jpg")
def picture(request: Request, recipe_id: str, version: int, number: Annotated[int, Query(ge=0)] = 0) -> Response:
    """A good patch as the version's model was taught it: what the recipe's fractions are of."""
    try:
        recipe = _book(request).recipe(recipe_id, version)
        content = taught_patch(recipe.path(recipe.model), number)
    except (ConfigError, ModelError) as why:
        raise ApiError("no_image", str(why)) from why
    return Response(content, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=300"})


def _save(request: Request, recipe_id: str, fields: dict[str, str]) -> Response:
    book = _book(request)
    base, seen = _integer(fields.get("base")), _integer(fields.get("seen"))
    old = _tables(request, recipe_id, base)
    tables, wrong = tables_from(fields, old, book.path(recipe_id))
    why = fields.get("why", "").strip()
    if not why:
        wrong["why"] = words_of(request)("Say why, in a few words: it stands beside the version for good.")
    if wrong:
        return _editor(request, recipe_id, base, seen, fields_of(old) | fields, wrong, status=422)
    newest = _versions(request, recipe_id)[0]
    if newest.number != seen:
        return _merge(request, recipe_id, old, tables, newest, fields)
    changed = [[one.key, one.old, one.new] for one in differences(old, tables)]
    try:
        version = book.save(recipe_id, tables, seen, _who(request).name, why)
    except RecipeChanged:
        return _merge(request, recipe_id, old, tables, _versions(request, recipe_id)[0], fields)
    audited(request, "recipe.save", recipe_id, old=base, new={"version": version.number, "changes": changed})
    return _to(recipe_id, "saved")


def _merge(
    request: Request,
    recipe_id: str,
    base: dict[str, Any],
    mine: dict[str, Any],
    newest: Version,
    fields: dict[str, str],
) -> Response:
    """Somebody else saved first: show both changes, with the two brought together in the form, not saved yet."""
    theirs = _tables(request, recipe_id, newest.number)
    together = merged(base, mine, theirs)
    rows = {
        "newest": newest,
        "mine": differences(base, mine),
        "theirs": differences(base, theirs),
        "both": conflicts(base, mine, theirs),
    }
    shown = fields_of(together) | {"why": fields.get("why", "")}
    return _editor(request, recipe_id, newest.number, newest.number, shown, {}, status=409, meanwhile=rows)


def _editor(
    request: Request,
    recipe_id: str,
    base: int,
    seen: int,
    fields: dict[str, str],
    wrong: dict[str, str],
    status: int = 200,
    meanwhile: dict[str, Any] | None = None,
) -> HTMLResponse:
    tables = _tables(request, recipe_id, base)
    path = _book(request).path(recipe_id)
    return render(
        request,
        "recipe_edit.html",
        status,
        scripts=("image-editor.js", "recipe-edit.js"),
        recipe_id=recipe_id,
        base=base,
        seen=seen,
        fields=fields,
        wrong=wrong,
        limits=limit_names(),
        measures=tables.get("measure", []),
        models=models_beside((path.parent / str(tables["model"])).resolve(), path.parent.resolve()),
        mask=tables.get("ignore", ""),
        meanwhile=meanwhile,
    )


def _detail(request: Request, recipe_id: str, said: str = "", trouble: str = "", status: int = 200) -> HTMLResponse:
    versions, in_force = _versions(request, recipe_id), _in_force(request, recipe_id)
    now = _tables(request, recipe_id, in_force)
    changes: dict[int, list[Difference]] = {
        version.number: differences(now, _tables(request, recipe_id, version.number))
        for version in versions[:30]
        if version.number != in_force
    }
    context = {"recipe_id": recipe_id, "versions": versions, "in_force": in_force, "changes": changes, "tables": now}
    context |= {"said": said, "trouble": trouble, "running": _running(request)}
    context["activations"] = _book(request).activations(recipe_id)[:20]
    return render(request, "recipe.html", status, **context)


def _put_in_force(request: Request, recipe_id: str, number: int) -> int:
    book = _book(request)
    book.recipe(recipe_id, number)
    before = book.in_force(recipe_id)
    audited(request, "recipe.activate", recipe_id, old=before, new=number)
    return book.put_in_force(recipe_id, number, _who(request).name)


def _running(request: Request) -> tuple[str, str]:
    """Id and revision of what the line judges by, empty while there is no line."""
    client = request.app.state.client
    return (client.status.recipe_id, client.status.recipe_rev) if client.connected and client.status else ("", "")


def _book(request: Request) -> RecipeBook:
    book: RecipeBook = request.app.state.book
    return book


def _who(request: Request) -> Who:
    who: Who = request.state.who
    return who


def _versions(request: Request, recipe_id: str) -> list[Version]:
    return _found(lambda: _book(request).versions(recipe_id))


def _in_force(request: Request, recipe_id: str) -> int:
    return _found(lambda: _book(request).in_force(recipe_id))


def _tables(request: Request, recipe_id: str, number: int) -> dict[str, Any]:
    return _found(lambda: _book(request).tables(recipe_id, number))


def _found(ask: Callable[[], T]) -> T:
    try:
        return ask()
    except StationError as why:
        raise ApiError("not_found", str(why)) from why


def _integer(text: str | None) -> int:
    if text is None or not text.isdecimal() or len(text) > 9:
        raise ApiError("invalid", f"the form's version is {text!r}, wanted a number: reload the page")
    return int(text)


def _to(recipe_id: str, said: str) -> RedirectResponse:
    return RedirectResponse(f"/recipes/{recipe_id}?said={said}", status_code=303)
