"""The teaching pages: sets of pictures, the data doctor's findings, teaching, and the report.

What it is: routes; long work is asked for as jobs. What it is not: teaching (`work.teaching`) or the intake
(`upload_pages`). Thread pool.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi import Path as InPath
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from inspector.errors import ConfigError, StoreError, UsageError
from inspector.jobs.folder import Job
from inspector.recipe_book import RecipeBook
from inspector.teaching_sets import MOST_FROM_LINE, TeachingSet, TeachingSets
from inspector.web.audited import audited
from inspector.web.errors import ApiError
from inspector.web.job_pages import TITLES, WORDS, ask_job, go_to, jobs_of
from inspector.web.roles import Role, require
from inspector.web.shell import render, words_of

pages = APIRouter(prefix="/teach", include_in_schema=False, dependencies=[Depends(require(Role.QUALITY))])
Number = Annotated[int, InPath(ge=1, le=999_999)]
Name = Annotated[str, Form(max_length=64, pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*$")]
# The report carries its pictures and its style in itself; it may do nothing else, wherever its text came from.
_REPORT_CSP = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'"


@pages.get("")
def list_page(request: Request) -> HTMLResponse:
    """All sets, and how to make one."""
    sets = sets_of(request)
    rows = [(one, len(sets.pictures(one.id))) for one in sets.all()]
    config = request.app.state.config
    recipes = list(_book(request).files())
    nth = config.record.keep_every_nth_pass
    told = request.app.state.client.status
    context = {"running": told.recipe_id if told is not None else "", "nth": nth, "most": MOST_FROM_LINE}
    return render(request, "teach.html", rows=rows, recipes=recipes, **context)


@pages.post("/from-line")
def from_line(
    request: Request,
    recipe_id: Annotated[str, Form(max_length=64)],
    wanted: Annotated[int, Form(ge=5, le=MOST_FROM_LINE)],
    when: Annotated[str, Form(pattern="^(last|from_now)$")],
) -> Response:
    """A set of the last passes of a recipe, or of those that come from now on."""
    since = request.app.state.clock.utc() if when == "from_now" else ""
    name = f"{recipe_id}: {wanted}"
    made = _create(
        request,
        TeachingSet(
            id=0,
            name=name,
            source="line",
            by=request.state.who.name,
            at_utc=request.app.state.clock.utc(),
            recipe_id=recipe_id,
            wanted=wanted,
            since_utc=since,
        ),
    )
    _collect(request, made.id)
    return _to(made.id)


@pages.post("/upload")
def upload_set(request: Request, name: Annotated[str, Form(min_length=1, max_length=80)]) -> Response:
    """An empty set, to bring pictures to."""
    at = request.app.state.clock.utc()
    made = _create(request, TeachingSet(id=0, name=name, source="upload", by=request.state.who.name, at_utc=at))
    return _to(made.id)


@pages.get("/report")
def report(request: Request, model: Annotated[str, Query(max_length=300)]) -> FileResponse:
    """The report of a taught model, in a cage: it can run nothing and fetch nothing."""
    root = _models_root(request)
    path = (_book(request).folder / model / "report.html").resolve()
    if root is None or not path.is_relative_to(root) or not path.is_file():
        raise ApiError("not_found", f"there is no report of a model {model!r}")
    return FileResponse(path, media_type="text/html", headers={"Content-Security-Policy": _REPORT_CSP})


@pages.post("/adopt")
def adopt(
    request: Request,
    recipe_id: Annotated[str, Form(max_length=64)],
    model: Annotated[str, Form(max_length=300)],
) -> Response:
    """A new version of a recipe with a taught model; nothing judges by it yet."""
    book = _book(request)
    try:
        newest = book.versions(recipe_id)[0].number
        tables = book.tables(recipe_id, newest)
        audited(request, "recipe.save", recipe_id, old=tables.get("model"), new=model)
        book.save(recipe_id, tables | {"model": model}, newest, request.state.who.name, f"model {model}")
    except ConfigError as why:
        raise ApiError("refused", str(why)) from why
    return RedirectResponse(f"/recipes/{recipe_id}?said=saved", status_code=303)


@pages.get("/{number}")
def set_page(request: Request, number: Number) -> HTMLResponse:
    """One set: how many pictures, how to get more, and what to do with them."""
    one = set_of(request, number)
    jobs = [job for job in jobs_of(request).all() if job.arguments.get("set") == number]
    config = request.app.state.config
    context: dict[str, Any] = {"one": one, "count": len(sets_of(request).pictures(number)), "jobs": jobs}
    context |= {"nth": config.record.keep_every_nth_pass, "words": WORDS, "titles": TITLES}
    return render(request, "teach_set.html", scripts=("upload.js",), **context)


@pages.post("/{number}/collect")
def collect(request: Request, number: Number) -> Response:
    """Fetch what has come since."""
    _collect(request, number)
    return _to(number)


@pages.post("/{number}/remove")
def remove(request: Request, number: Number) -> Response:
    """Remove a set."""
    one = set_of(request, number)
    audited(request, "teaching_set.remove", str(number), old=one.name)
    sets_of(request).remove(number)
    return RedirectResponse("/teach", status_code=303)


@pages.post("/{number}/examine")
def examine(request: Request, number: Number) -> Response:
    """Ask for the data doctor."""
    one = set_of(request, number)
    if one.source == "line":
        _collect(request, number)
    return go_to(ask_job(request, "examine", one.name, {"set": number}))


@pages.get("/{number}/findings/{job_number}")
def findings_page(request: Request, number: Number, job_number: Number) -> HTMLResponse:
    """What the data doctor found, what to leave out, and how to teach."""
    one, job = set_of(request, number), _examined(request, number, job_number)
    recipes = list(_book(request).files())
    chosen = one.recipe_id if one.recipe_id in recipes else next(iter(recipes), "")
    root = _models_root(request, chosen) if chosen else None
    context: dict[str, Any] = {"one": one, "job": job, "result": job.result(), "recipes": recipes, "chosen": chosen}
    return render(request, "teach_findings.html", revision=_next_revision(root, chosen), **context)


@pages.get("/{number}/findings/{job_number}/{place}.jpg")
def thumbnail(request: Request, number: Number, job_number: Number, place: int) -> FileResponse:
    """The small picture of a finding."""
    path = _examined(request, number, job_number).folder / "out" / f"{place}.jpg"
    if not path.is_file():
        raise ApiError("not_found", f"finding {place} has no picture")
    return FileResponse(path, media_type="image/jpeg")


@pages.post("/{number}/teach")
def teach(
    request: Request,
    number: Number,
    recipe_id: Annotated[str, Form(max_length=64)],
    name: Name,
    revision: Name,
    target_percent: Annotated[float, Form(ge=0.01, le=50)] = 5.0,
    exclude: Annotated[list[str] | None, Form()] = None,
    exclude_suspects: Annotated[bool, Form()] = False,
    use_ignored: Annotated[bool, Form()] = False,
) -> Response:
    """Ask for a model; it appears whole in its folder, or not at all."""
    one, root = set_of(request, number), _models_root(request, recipe_id)
    if root is None:
        raise ApiError("not_found", f"there is no recipe {recipe_id!r}")
    if (root / name / revision).exists():
        words = words_of(request)
        raise ApiError(
            "refused", words("Model {name}/{revision} exists; name another revision.", name=name, revision=revision)
        )
    arguments = {
        "set": number,
        "exclude": sorted(set(exclude or []))[:MOST_FROM_LINE],
        "recipe_id": recipe_id,
        "name": name,
        "revision": revision,
        "target_false_rejects": target_percent / 100,
        "exclude_suspects": exclude_suspects,
        "use_ignored": use_ignored,
    }
    return go_to(ask_job(request, "teach", f"{name}/{revision}: {one.name}", arguments))


def _create(request: Request, new: TeachingSet) -> TeachingSet:
    try:
        made = sets_of(request).create(new)
    except UsageError as why:
        raise ApiError("refused", str(why)) from why
    audited(request, "teaching_set.create", str(made.id), new=made.name)
    return made


def _collect(request: Request, number: int) -> int:
    try:
        return sets_of(request).collect(number, request.app.state.store.reader(), request.app.state.images)
    except StoreError:
        return 0  # no record yet: the set is empty, and its page says how many there are


def _models_root(request: Request, recipe_id: str = "") -> Path | None:
    """The folder of `<name>/<revision>` that a recipe's model lies in; that of the first recipe if none is named."""
    book = _book(request)
    files = book.files()
    recipe_id = recipe_id or next(iter(files), "")
    if recipe_id not in files:
        return None
    model = str(book.tables(recipe_id, book.in_force(recipe_id))["model"])
    return (book.folder / model).resolve().parent.parent


def sets_of(request: Request) -> TeachingSets:
    """The station's sets of pictures."""
    sets: TeachingSets = request.app.state.teaching_sets
    return sets


def _book(request: Request) -> RecipeBook:
    book: RecipeBook = request.app.state.book
    return book


def set_of(request: Request, number: int) -> TeachingSet:
    """One set; raises ApiError where there is none."""
    try:
        return sets_of(request).get(number)
    except UsageError as why:
        raise ApiError("not_found", str(why)) from why


def _to(number: int) -> RedirectResponse:
    return RedirectResponse(f"/teach/{number}", status_code=303)


def _examined(request: Request, number: int, job_number: int) -> Job:
    try:
        job = jobs_of(request).get(job_number)
    except UsageError as why:
        raise ApiError("not_found", str(why)) from why
    if job.kind != "examine" or job.state != "done" or job.arguments.get("set") != number:
        raise ApiError("not_found", f"job {job_number} has no findings of set {number}")
    return job


def _next_revision(root: Path | None, name: str) -> str:
    """The first `r<number>` that no model of this name has yet."""
    found = [] if root is None else (root / name).glob("r*")
    taken = [int(path.name[1:]) for path in found if re.fullmatch(r"r\d{1,6}", path.name)]
    return f"r{max(taken, default=0) + 1}"
