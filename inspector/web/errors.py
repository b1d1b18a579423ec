"""One shape for every error of the API: `{"error": {"code", "message", "detail"}}`.

What it is: the error type the routes raise, and the handlers that turn everything else into the same shape. What it
is not: a place for texts; whoever refuses says why. Event loop and its thread pool.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from inspector.errors import LinkError, StationError, StoreError

# Every code the API can answer with, its HTTP status and its meaning; docs/api.md repeats this table, a test compares.
CODES: dict[str, tuple[int, str]] = {
    "bad_request": (400, "The request cannot be understood, or its host is not this one."),
    "token_missing": (401, "The command came without a login and without a bearer token."),
    "token_wrong": (403, "The bearer token is not this station's."),
    "login_refused": (403, "Wrong name or PIN, or too many wrong tries; the detail says how long to wait."),
    "forbidden": (403, "Whoever asks has not the role this needs."),
    "origin_wrong": (403, "A change that does not come from a page of this station."),
    "not_found": (404, "There is nothing at this address."),
    "no_such_part": (404, "No record has this part id."),
    "no_image": (404, "The part has a record, and no picture of it was kept."),
    "method_not_allowed": (405, "The address does not take this method."),
    "refused": (409, "The line was asked and refused; the message is the line's."),
    "image_removed": (410, "The picture was removed to keep the disk budget; the detail says when."),
    "invalid": (422, "A parameter or the body is not what the API takes; the detail lists each."),
    "busy": (429, "Too many want the same at once; try again in a moment."),
    "internal": (500, "A fault of this program; its log has more."),
    "image_lost": (500, "The record names a picture that is not on the disk."),
    "line_down": (503, "The line is not connected or does not answer."),
    "store_unavailable": (503, "The record store cannot be read (yet)."),
}
_BY_STATUS = {
    400: "bad_request",
    401: "token_missing",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
}


class ApiError(Exception):
    """Raised by a route: a code of CODES, one line for a person, and whatever a program may want."""

    def __init__(self, code: str, message: str, detail: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.detail = detail


# Set by the app: makes a page of an error (request, code, message, status), for a person with a browser.
ErrorPage = Callable[[Request, str, str, int], Response]


def error_response(code: str, message: str, detail: Any = None) -> JSONResponse:
    """The answer for an error."""
    headers = {"WWW-Authenticate": "Bearer"} if code == "token_missing" else None
    body = {"error": {"code": code, "message": message, "detail": jsonable_encoder(detail)}}
    return JSONResponse(body, status_code=CODES[code][0], headers=headers)


def answer_error(request: Request, code: str, message: str, detail: Any = None) -> Response:
    """The answer for an error: the one shape for programs, a page for a person who asked for one."""
    page: ErrorPage | None = getattr(request.app.state, "error_page", None)
    wants_page = "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/api/")
    if page is not None and wants_page:
        return page(request, code, message, CODES[code][0])
    return error_response(code, message, detail)


def install(app: FastAPI) -> None:
    """Make `app` answer every error in the one shape."""
    app.add_exception_handler(ApiError, _api_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(StationError, _station_error)
    app.add_exception_handler(Exception, _internal)


def _api_error(request: Request, why: Any) -> Response:
    return answer_error(request, why.code, why.message, why.detail)


def _http_error(request: Request, why: Any) -> Response:
    code = _BY_STATUS.get(why.status_code, "internal" if why.status_code >= 500 else "bad_request")
    return answer_error(request, code, f"{request.method} {request.url.path}: {why.detail}")


def _invalid(request: Request, why: Any) -> Response:
    found = [
        {"where": ".".join(map(str, error["loc"])), "message": error["msg"], "found": error.get("input")}
        for error in why.errors()
    ]
    first = found[0] if found else {"where": "request", "message": "not valid"}
    return answer_error(request, "invalid", f"{first['where']}: {first['message']}", found)


def _station_error(request: Request, why: Any) -> Response:
    if isinstance(why, StoreError):
        return answer_error(request, "store_unavailable", str(why))
    return answer_error(request, "line_down" if isinstance(why, LinkError) else "internal", str(why))


def _internal(_request: Request, why: Any) -> Response:
    return error_response("internal", f"unexpected {type(why).__name__}")
