"""What all pages share: templates, language, theme, panel size, and who is looking.

What it is: `render`, and how a browser keeps its view settings. What it is not: any page's content. Thread pool and
event loop; one template environment for each language, since an environment's globals are shared by its threads.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jinja2
from fastapi import Request
from fastapi.responses import HTMLResponse

from inspector.web.errors import ApiError
from inspector.web.menu import pages_for
from inspector.web.names import name_words
from inspector.web.roles import NOBODY, Role, Who, who_asks
from inspector.web.said import class_words, outcome_words, reason_words
from inspector.web.words import LANGUAGES, PSEUDO, Words, chosen_language

HERE = Path(__file__).parent
TEMPLATES = HERE / "templates"
STATIC = HERE / "pages"
# Scripts and style sheets lie under the hash of them all: a browser keeps them and never asks, until there are others.
_EVERY_FILE = b"".join(path.name.encode() + path.read_bytes() for path in sorted(STATIC.iterdir()))
STATIC_PATH = f"/static/{hashlib.sha256(_EVERY_FILE).hexdigest()[:12]}"
DIAGONALS = (10.1, 12.1, 15.6, 18.5, 21.5, 24.0, 27.0, 32.0)
THEMES = ("day", "night")
# What every page runs; a page adds its own with `render(..., scripts=("live.js",))`.
SHELL_SCRIPTS = ("channel.js", "shell.js")


@dataclass(frozen=True, slots=True)
class View:
    """How this browser wants its pages: kept in its cookies, since it is of the panel and not of a person."""

    language: str
    theme: str
    diagonal_in: float


def view_of(request: Request) -> View:
    """The view settings; what a cookie has that is not known is as if it were not there."""
    cookies = request.cookies
    try:
        diagonal = float(cookies.get("panel", ""))
    except ValueError:
        diagonal = 21.5
    return View(
        language=chosen_language(cookies.get("lang", ""), request.headers.get("accept-language", "")),
        theme=cookies["theme"] if cookies.get("theme") in THEMES else THEMES[0],
        diagonal_in=diagonal if diagonal in DIAGONALS else 21.5,
    )


class Shell:
    """The templates in every language. Made once for an app; raises ConfigError where a catalogue is not one."""

    def __init__(self) -> None:
        self.words = {language: Words(language) for language in (*LANGUAGES, PSEUDO)}
        self._environments = {language: _environment(words) for language, words in self.words.items()}

    def render(self, request: Request, template: str, status: int = 200, **context: Any) -> HTMLResponse:
        """A page or fragment. Templates have `_`, `who`, `view`, `menu`, `path`, `open_station` and the context.

        `scripts` of the context are the page's own modules of `pages`; what they say comes along translated.
        """
        view, who = view_of(request), _who(request)
        scripts = (*SHELL_SCRIPTS, *context.pop("scripts", ()))
        words = self.words[view.language]
        page = self._environments[view.language].get_template(template)
        html = page.render(
            view=view,
            who=who,
            menu=pages_for(who.role),
            path=request.url.path,
            open_station=request.app.state.sessions.open_station,
            scripts=scripts,
            script_words=words.for_script(*(STATIC / script for script in scripts)),
            **context,
        )
        return HTMLResponse(html, status_code=status, headers={"Cache-Control": "no-store", "Vary": "Cookie"})


def own_path(wanted: str) -> str:
    """A path of this station to go to, or the live page: whoever writes it must not send people elsewhere."""
    # A browser takes a backslash for a slash, and drops tabs and line ends.
    plain = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and wanted.isprintable()
    return wanted if plain else "/"


def render(request: Request, template: str, status: int = 200, **context: Any) -> HTMLResponse:
    """`Shell.render` of the request's app."""
    shell: Shell = request.app.state.shell
    return shell.render(request, template, status, **context)


def words_of(request: Request) -> Words:
    """The words in this browser's language, for texts that routes make."""
    words: Words = request.app.state.shell.words[view_of(request).language]
    return words


def _who(request: Request) -> Who:
    known = getattr(request.state, "who", None)
    if isinstance(known, Who):
        return known
    try:
        return who_asks(request, uses=False)
    except ApiError:  # a wrong token; this is the page that says so
        return NOBODY


def _environment(words: Words) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["class_name"] = partial(class_words, words)
    environment.filters["known"] = partial(name_words, words)
    environment.globals.update(
        _=words,
        why=partial(reason_words, words),
        gate=partial(outcome_words, words),
        static=STATIC_PATH,
        languages=LANGUAGES,
        themes=THEMES,
        diagonals=DIAGONALS,
        Role=Role,
        language=words.language,
    )
    return environment
