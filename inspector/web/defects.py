"""The pages of parts: table and gallery of one filter, and one part with all that is known of it.

What it is: routes that answer HTML, pictures and the labels that people give. What it is not: the finding (finding) or
the filter (asking). Thread pool: all of it reads the disk.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Form, Path, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, Field

from inspector.errors import UsageError
from inspector.people import labels
from inspector.people.labels import Label, fitting
from inspector.record import search
from inspector.record.pictures import Picture, heat_of, heat_overlay, reference_number
from inspector.types import Verdict
from inspector.web.asking import REVIEWS, SPANS, VERDICTS, Asked, asked_of, hint
from inspector.web.audited import audited
from inspector.web.errors import ApiError
from inspector.web.finding import Shown, Stores, count_text
from inspector.web.roles import Role, require
from inspector.web.schemas import error_answers
from inspector.web.shell import own_path, render
from inspector.web.words import mark

MAX_ID = (1 << 64) - 1
MAX_NUMBER = (1 << 63) - 1
PAGE = {"": 50, "gallery": 48}
MOST_AT_ONCE = 500
_QUALITY = [Depends(require(Role.QUALITY))]
_FOR_A_DAY = {"Cache-Control": "private, max-age=86400"}
PartId = Annotated[int, Path(ge=0, le=MAX_ID, description="The part's id, decimal digits.")]
Before = Annotated[int | None, Query(ge=1, le=MAX_NUMBER)]
VERDICT_WORDS = {
    Verdict.PASS: (mark("PASS"), "pass"),
    Verdict.REJECT: (mark("REJECT"), "alarm"),
    Verdict.NOT_INSPECTED: (mark("NOT INSPECTED"), "warning"),
}
# The keys of the keyboard, in the order of the buttons.
KEYS = {
    Label.TRUE_REJECT: "1",
    Label.FALSE_REJECT: "2",
    Label.ESCAPE: "3",
    Label.UNSURE: "4",
    Label.TRUE_PASS: "5",
}

pages = APIRouter(include_in_schema=False, dependencies=_QUALITY)
api = APIRouter(
    prefix="/api/v1",
    tags=["review"],
    dependencies=_QUALITY,
    responses=error_answers("forbidden", "origin_wrong", "token_wrong", "invalid", "store_unavailable"),
)


class LabelsIn(BaseModel):
    """What is said of some parts."""

    part_ids: list[Annotated[str, Field(pattern=r"^\d{1,20}$")]] = Field(min_length=1, max_length=MOST_AT_ONCE)
    label: Label = Field(description="`retracted` takes one's own word back.")
    kind: str = Field(default="", max_length=64, description="The class of defect, where the part is bad.")


class ReviewedOut(BaseModel):
    """What all words on a part come to."""

    part_id: str
    label: str = Field(description="A label, `disputed` where those who are sure disagree, empty where none stands.")
    kind: str
    who: str
    at_utc: str


@pages.get("/defects")
def defects_page(request: Request, before: Before = None) -> Response:
    """Parts of a filter, as a table or as pictures."""
    asked, stores = asked_of(request), Stores.of(request.app)
    found = stores.find(asked, before, PAGE[asked.view])
    context = _rows(stores, asked, found)
    # Counting would go the same way once more.
    whole = found.next_before is None or (found.looked_back and not asked.review and not asked.search().by_quarters)
    if before is None and whole:
        context["count"] = count_text(search.Count(len(found.numbers), found.looked_back))
    else:
        context["count"] = count_text(stores.count(asked))
    return render(
        request,
        "defects.html",
        scripts=("part-picture.js", "labelling.js", "defects.js"),
        **(context | form_context(request, stores, asked)),
        hint=hint(asked),
        before=before,
    )


@pages.get("/defects/rows")
def more_rows(request: Request, before: Before = None) -> Response:
    """The next rows of the same filter, for the page to append."""
    asked, stores = asked_of(request), Stores.of(request.app)
    found = stores.find(asked, before, PAGE[asked.view])
    return render(request, "defect_rows.html", **_rows(stores, asked, found))


@pages.get("/parts/{part_id}")
def part_page(request: Request, part_id: PartId) -> Response:
    """One part, with everything that explains its verdict."""
    return render(
        request, "part.html", scripts=("part-picture.js", "labelling.js", "part.js"), **_part(request, part_id)
    )


@pages.get("/parts/{part_id}/pane")
def part_pane(request: Request, part_id: PartId) -> Response:
    """The same beside the table."""
    return render(request, "part_pane.html", **_part(request, part_id))


@pages.get("/parts/{part_id}/heat")
def heat_map(request: Request, part_id: PartId) -> Response:
    """Where the model saw something: a small red PNG that lies over the whole picture."""
    shown = _wanted(Stores.of(request.app), asked_of(request), part_id)
    path = heat_of(shown.path) if shown.path is not None else None
    data = heat_overlay(path) if path is not None else None
    if data is None:
        raise ApiError("no_image", f"no heat map of part {part_id} was kept")
    return Response(data, media_type="image/png", headers=_FOR_A_DAY)


@pages.post("/parts/{part_id}/label")
def label_part(
    request: Request,
    part_id: PartId,
    label: Annotated[str, Form(max_length=32)] = "",
    kind: Annotated[str, Form(max_length=64)] = "",
    back: Annotated[str, Form(max_length=4096)] = "",
) -> Response:
    """Say what a part turned out to be, and go back to where this was said."""
    if label not in list(Label):
        raise ApiError("invalid", f"label is {label!r}, wanted {', '.join(Label)}")
    say_of(request, [part_id], Label(label), kind)
    return RedirectResponse(own_path(back) if back else f"/parts/{part_id}", status_code=303)


@api.post("/labels", responses=error_answers("no_such_part"))
def set_labels(request: Request, said: Annotated[LabelsIn, Body()]) -> list[ReviewedOut]:
    """Say what some parts turned out to be. Each person's last word on a part counts; all are kept."""
    return say_of(request, [int(part_id) for part_id in said.part_ids], said.label, said.kind)


def say_of(request: Request, part_ids: list[int], label: Label, kind: str) -> list[ReviewedOut]:
    """Add a word of who asks on each part: all of them or none. Raises ApiError."""
    stores, who = Stores.of(request.app), request.state.who.name
    parts = []
    for part_id in dict.fromkeys(part_ids):
        stored = stores.reader.record(part_id) if part_id <= MAX_ID else None
        if stored is None:
            raise ApiError("no_such_part", f"no record has part id {part_id}")
        parts.append((part_id, stored.number, stored.record.verdict))
    try:
        with stores.web.writing() as connection:
            for part in parts:
                old = labels.say(connection, stores.web.now_utc(), part, label, who, kind)
                audited(request, "part.label", str(part[0]), old, [label, kind] if kind else label, connection)
    except UsageError as why:
        raise ApiError("invalid", str(why)) from why
    known = labels.reviewed(stores.web, part_ids)
    return [_reviewed_out(str(part_id), known.get(part_id)) for part_id, _, _ in parts]


def form_context(request: Request, stores: Stores, asked: Asked) -> dict[str, Any]:
    """What the filter's form offers."""
    return {
        "asked": asked,
        "spans": SPANS,
        "verdicts": VERDICTS,
        "reviews": REVIEWS,
        "shifts": request.app.state.config.shift,
        "recipes": search.recipes(stores.reader),
        "classes": search.classes(stores.reader),
        "offset": asked.place.offset(asked.now_utc),
    }


def _rows(stores: Stores, asked: Asked, found: search.Found) -> dict[str, Any]:
    """What the table and the gallery show."""
    parts = stores.shown(found.numbers, asked)
    back_to = None
    if found.looked_back and found.next_before is not None:
        last = stores.reader.numbered([found.next_before])
        back_to = asked.place.shown(last[0].record.seen_at_utc, seconds=False) if last else None
    return {
        "asked": asked,
        "parts": parts,
        "next_before": found.next_before,
        "looked_back": found.looked_back,
        "back_to": back_to,
        "verdict_words": VERDICT_WORDS,
        "review_words": REVIEWS,
    }


def _wanted(stores: Stores, asked: Asked, part_id: int) -> Shown:
    shown = stores.one(part_id, asked)
    if shown is None:
        raise ApiError("no_such_part", f"no record has part id {part_id}")
    return shown


def _part(request: Request, part_id: int) -> dict[str, Any]:
    """Everything of one part."""
    asked, stores = asked_of(request), Stores.of(request.app)
    shown = _wanted(stores, asked, part_id)
    number = reference_number(stores.reader, shown.stored)
    reference = stores.shown([number], asked) if number is not None else []
    beside = search.beside(stores.reader, asked.search(), shown.stored.number)
    near = {one.stored.number: one for one in stores.shown([n for n in beside if n is not None], asked)}
    return {
        "part": shown,
        "heat": shown.path is not None and heat_of(shown.path) is not None,
        "reference": next((one for one in reference if one.picture is Picture.KEPT), None),
        "newer": near.get(beside[0]) if beside[0] else None,
        "older": near.get(beside[1]) if beside[1] else None,
        "words": list(reversed(labels.history(stores.web, part_id))),
        "kinds": labels.kinds(stores.web),
        "fitting": fitting(shown.verdict),
        "keys": KEYS,
        "asked": asked,
        "offset": asked.place.offset(shown.stored.record.seen_at_utc),
        "verdict_words": VERDICT_WORDS,
        "review_words": REVIEWS,
        "shift": asked.place.shift_at(shown.stored.record.seen_at_utc),
    }


def _reviewed_out(part_id: str, found: labels.Reviewed | None) -> ReviewedOut:
    if found is None:
        return ReviewedOut(part_id=part_id, label="", kind="", who="", at_utc="")
    return ReviewedOut(part_id=part_id, label=found.label, kind=found.kind, who=found.who, at_utc=found.at_utc)
