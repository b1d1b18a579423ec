"""The review queue: one part after the other, two large buttons, how far reviewers agree, and a folder to teach from.

What it is: which part is next for whom. What it is not: what a label means (people.labels). Thread pool.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, islice
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from inspector.agreement import Agreement, agreement
from inspector.errors import StationError
from inspector.people import labels
from inspector.people.labels import BAD, GOOD, Label
from inspector.people.store import WebStore
from inspector.record.nearest import nearest
from inspector.types import Verdict
from inspector.web.asking import REVIEWS, Asked, asked_of
from inspector.web.audited import audited
from inspector.web.defects import VERDICT_WORDS, say_of
from inspector.web.errors import ApiError
from inspector.web.finding import Shown, Stores
from inspector.web.roles import Role, require
from inspector.web.shell import render
from inspector.web.teaching_folder import MOST, write_folder

pages = APIRouter(include_in_schema=False, dependencies=[Depends(require(Role.QUALITY))])
_LOOKED_AT = 2_000
_PAIRS = 10
MAX_ID = (1 << 64) - 1
PartId = Annotated[int, Form(ge=0, le=MAX_ID)]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two people and their agreement on whether a part is good or bad; None where they share no part."""

    first: str
    second: str
    found: Agreement


@pages.get("/review")
def review_page(
    request: Request,
    again: bool = False,
    skip: Annotated[list[int] | None, Query()] = None,
    undo: Annotated[int | None, Query(ge=0, le=MAX_ID)] = None,
    made: Annotated[str, Query(max_length=64)] = "",
) -> Response:
    """The next part to review; `again`: one that others have reviewed and who asks has not, their words hidden."""
    return _review(request, again, tuple(skip or ())[-100:], undo, made=made)


@pages.post("/review/say")
def say(
    request: Request,
    part: PartId,
    is_bad: Annotated[str, Form(pattern="^(bad|good|unsure)$")],
    kind: Annotated[str, Form(max_length=64)] = "",
    again: Annotated[bool, Form()] = False,
) -> Response:
    """Say of a part whether it is bad or good: the label follows from what the station did with it."""
    stored = Stores.of(request.app).reader.record(part)
    if stored is None:
        raise ApiError("no_such_part", f"no record has part id {part}")
    say_of(request, [part], label_of(stored.record.verdict, is_bad), kind)
    return RedirectResponse(f"/review?undo={part}{'&again=1' if again else ''}", status_code=303)


@pages.post("/review/undo")
def take_back(request: Request, part: PartId, again: Annotated[bool, Form()] = False) -> Response:
    """Take back one's word on a part; it comes again."""
    say_of(request, [part], Label.RETRACTED, "")
    return RedirectResponse(f"/review{'?again=1' if again else ''}", status_code=303)


@pages.post("/review/folder")
def make_folder(request: Request) -> Response:
    """All confirmed parts with a picture, as a folder that `inspector teach` takes."""
    stores, asked = Stores.of(request.app), asked_of(request)
    config = request.app.state.config
    try:
        folder = write_folder(stores, asked.place, config.path(config.web.teaching), asked.now_utc)
    except StationError as why:
        return _review(request, trouble=str(why), status=422)
    audited(request, "teaching_folder.make", folder.path.name, None, folder.counts)
    return RedirectResponse(f"/review?made={folder.path.name}", status_code=303)


def label_of(verdict: Verdict, is_bad: str) -> Label:
    """The label of a part that a person finds bad, good, or cannot tell."""
    if is_bad == "unsure":
        return Label.UNSURE
    if verdict is Verdict.PASS:
        return Label.ESCAPE if is_bad == "bad" else Label.TRUE_PASS
    return Label.TRUE_REJECT if is_bad == "bad" else Label.FALSE_REJECT


def pairs(store: WebStore) -> list[Pair]:
    """The agreement of everyone with everyone, those with the most parts in common first."""
    said = labels.last_words(store)
    found = []
    for first, second in combinations(sorted(said), 2):
        shared = [
            part for part in said[first].keys() & said[second].keys() if _sure(said[first][part], said[second][part])
        ]
        if shared:
            judged = [[said[who][part] in BAD for part in shared] for who in (first, second)]
            found.append(Pair(first, second, agreement(*judged)))
    return sorted(found, key=lambda pair: -pair.found.parts)[:_PAIRS]


def _sure(*said: Label) -> bool:
    return all(word in BAD or word in GOOD for word in said)


def _review(
    request: Request,
    again: bool = False,
    skip: tuple[int, ...] = (),
    undo: int | None = None,
    *,
    made: str = "",
    trouble: str = "",
    status: int = 200,
) -> Response:
    asked, stores, who = asked_of(request, "30d"), Stores.of(request.app), request.state.who.name
    part = next(_queue(stores, asked, who, again, skip), None)
    config = request.app.state.config
    counts = labels.counts(stores.web)
    context: dict[str, Any] = {
        "part": part,
        "asked": asked,
        "again": again,
        "skip": skip,
        "undo": undo,
        "made": config.path(config.web.teaching) / made if made.isascii() and made.replace("-", "").isalnum() else "",
        "trouble": trouble,
        "counts": counts,
        "pairs": pairs(stores.web),
        "kinds": labels.kinds(stores.web),
        "most": MOST,
        "has_confirmed": any(str(label) in counts for label in (*BAD, *GOOD)),
        "verdict_words": VERDICT_WORDS,
        "review_words": REVIEWS,
    }
    return render(request, "review.html", status, scripts=("part-picture.js", "labelling.js", "review.js"), **context)


def _queue(stores: Stores, asked: Asked, who: str, again: bool, skip: tuple[int, ...]) -> Iterator[Shown]:
    """Parts with a picture that can be shown, the nearest to the threshold first."""
    since, _ = asked.ends()
    waiting = iter(nearest(stores.reader, since))
    looked_at = 0
    while some := list(islice(waiting, 200)):
        looked_at += len(some)
        ids = [part_id for part_id, _ in some]
        known = labels.reviewed(stores.web, ids)
        own = labels.said_by(stores.web, who, ids) if again else set()
        for part_id, number in some:
            if part_id in skip or (part_id in known) != again or part_id in own:
                continue
            for shown in stores.shown([number], asked):
                if shown.path is not None:
                    yield shown
        if looked_at > _LOOKED_AT and not known:
            return
