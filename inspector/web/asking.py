"""What a quality engineer asks for, as it stands in the address of a page.

What it is: the fields of the filter, from a query string to a `Search` and back to a query string, so that each page of
parts and charts is a link. What it is not: the search (record.search). Thread pool.

All times are the station's: a browser may have any clock. A field that says nonsense is named on the page and left out.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from dataclasses import dataclass, field, fields, replace
from urllib.parse import urlencode

from fastapi import Request

from inspector.people.labels import DISPUTED, Label
from inspector.record.asked import Search
from inspector.types import Verdict
from inspector.web.moments import Place, day_times, iso, make_place, parse_utc, quarter_back
from inspector.web.words import mark

LONGEST_TEXT = 512
SPANS = {
    "1h": (mark("last hour"), 1),
    "8h": (mark("last 8 hours"), 8),
    "24h": (mark("last 24 hours"), 24),
    "7d": (mark("last 7 days"), 7 * 24),
    "30d": (mark("last 30 days"), 30 * 24),
    "90d": (mark("last 90 days"), 90 * 24),
}
ANY, CHOSEN = "any", "chosen"
VERDICTS = {
    "": (mark("not passed"), (Verdict.REJECT, Verdict.NOT_INSPECTED)),
    "reject": (mark("rejected"), (Verdict.REJECT,)),
    "not_inspected": (mark("not inspected"), (Verdict.NOT_INSPECTED,)),
    "pass": (mark("passed"), (Verdict.PASS,)),
    "all": (mark("all"), ()),
}
UNREVIEWED = "unreviewed"
REVIEWS = {
    UNREVIEWED: mark("not reviewed"),
    Label.TRUE_REJECT: mark("true reject"),
    Label.FALSE_REJECT: mark("false reject"),
    Label.ESCAPE: mark("escape"),
    Label.TRUE_PASS: mark("good pass"),
    Label.UNSURE: mark("unsure"),
    DISPUTED: mark("disputed"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The filter as it was typed; every field is text, empty where nothing was said. `trouble` names what was not
    understood, by field; it is no part of the address."""

    span: str = ""
    since: str = ""
    until: str = ""
    zone: str = ""
    shift: str = ""
    recipe: str = ""
    verdict: str = ""
    label: str = ""
    score_min: str = ""
    score_max: str = ""
    serial: str = ""
    plc_part: str = ""
    review: str = ""
    view: str = ""
    place: Place = field(default_factory=lambda: make_place(()))
    now_utc: str = ""
    trouble: tuple[str, ...] = ()

    def query(self, **changed: str | int | None) -> str:
        """The address's query string, with some fields changed or (None) left out."""
        known = {one.name: getattr(self, one.name) for one in fields(self)}
        named = {name: value for name, value in known.items() if isinstance(value, str) and name != "now_utc"}
        return urlencode({name: value for name, value in (named | changed).items() if value not in ("", None)})

    def search(self) -> Search:
        """What the record store is asked for; the review is not among it."""
        since, until = self.ends()
        times = None
        if self.shift:
            first = since or iso(parse_utc(self.now_utc) - dt.timedelta(days=366))
            times = day_times(self.place.shifts, self.shift, first, until or self.now_utc)
        return Search(
            verdicts=VERDICTS[self.verdict][1],
            recipe_id=self.recipe or None,
            label=self.label or None,
            score_min=_number(self.score_min),
            score_max=_number(self.score_max),
            since_utc=since,
            until_utc=until,
            serial_prefix=self.serial or None,
            plc_part=int(self.plc_part) if self.plc_part else None,
            times=times,
        )

    def ends(self) -> tuple[str | None, str | None]:
        """From when and until when, UTC; None where it is open. A span begins on a quarter of an hour."""
        if self.span in SPANS:
            begun = parse_utc(self.now_utc) - dt.timedelta(hours=SPANS[self.span][1])
            return quarter_back(iso(begun)), None
        if self.span == CHOSEN:
            return self.place.typed(self.since), self.place.typed(self.until)
        return None, None

    def typed(self, end: str) -> str:
        """`since` or `until` for an input of the form."""
        moment = self.place.typed(getattr(self, end)) if getattr(self, end) else None
        return "" if moment is None else self.place.local(moment).strftime("%Y-%m-%dT%H:%M")


def asked_of(request: Request, span: str = "") -> Asked:
    """The filter of a request's address; what is not understood is left out and named. `span` is what an address
    without one stands for."""
    given = {one.name: request.query_params.get(one.name, "") for one in fields(Asked)}
    place = make_place(request.app.state.config.shift, utc=given["zone"] == "utc")
    own = {"place": place, "now_utc": request.app.state.clock.utc(), "trouble": ()}
    asked = Asked(**{**{name: value for name, value in given.items() if name not in own}, **own})
    if not asked.span:
        asked = replace(asked, span=CHOSEN if asked.since or asked.until else span)
    return _checked(asked)


def _checked(asked: Asked) -> Asked:
    """The filter without what is nonsense."""
    shifts = [shift.name for shift in asked.place.shifts]
    sound = {
        "span": asked.span in ("", ANY, CHOSEN, *SPANS),
        "since": not asked.since or asked.place.typed(asked.since) is not None,
        "until": not asked.until or asked.place.typed(asked.until) is not None,
        "zone": asked.zone in ("", "utc"),
        "shift": asked.shift in ("", *shifts),
        "verdict": asked.verdict in VERDICTS,
        "review": asked.review in ("", *REVIEWS),
        "plc_part": not asked.plc_part or bool(re.fullmatch(r"[0-9]{1,10}", asked.plc_part)),
        "view": asked.view in ("", "gallery"),
        "score_min": not asked.score_min or _number(asked.score_min) is not None,
        "score_max": not asked.score_max or _number(asked.score_max) is not None,
    }
    sound |= {name: _is_text(getattr(asked, name)) for name in ("recipe", "label", "serial")}
    wrong = [name for name, is_sound in sound.items() if not is_sound]
    return replace(asked, **dict.fromkeys(wrong, ""), trouble=tuple(wrong))  # type: ignore[arg-type]


def hint(asked: Asked) -> str:
    """Why nothing may have been found and what to do next, in one sentence of the catalogue."""
    search = asked.search()
    if search.since_utc is not None and search.since_utc > asked.now_utc:
        return mark("No part was found: the time begins in the future. Choose an earlier one.")
    if search.since_utc is not None and search.until_utc is not None and search.since_utc >= search.until_utc:
        return mark("No part was found: the time ends before it begins. Change one of its ends.")
    if search.score_min is not None and search.score_max is not None and search.score_min > search.score_max:
        return mark("No part was found: the least score is above the greatest. Swap them.")
    if asked.serial:
        return mark("No part's serial begins like this. Capitals count; try fewer characters.")
    if asked.plc_part:
        return mark("The PLC gave no part this number. Only parts that a PLC triggers have one.")
    if asked.review:
        return mark("No part has been reviewed like this. Choose another review, or clear the filter.")
    return mark("No part passes this filter. Widen the time, or clear it.")


def _number(text: str) -> float | None:
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _is_text(text: str) -> bool:
    return len(text) <= LONGEST_TEXT and not any(ord(character) < 32 for character in text) and _encodes(text)


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
