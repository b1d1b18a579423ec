"""All pages of the station, in one table: address, name, least role, and where they are listed.

What it is: the table that navigation and tests go by. What it is not: the routes themselves. Constant.
"""

from __future__ import annotations

from dataclasses import dataclass

from inspector.web.roles import Role
from inspector.web.words import mark


@dataclass(frozen=True, slots=True)
class Page:
    """`title` is a message id; `icon` names a symbol of templates/icons.html; `panel` puts it on the bottom bar."""

    path: str
    title: str
    role: Role
    icon: str
    panel: bool = False


MENU: tuple[Page, ...] = (
    Page("/", mark("Live"), Role.WATCH, "live", panel=True),
    Page("/defects", mark("Defects"), Role.QUALITY, "list"),
    Page("/review", mark("Review"), Role.QUALITY, "review"),
    Page("/charts", mark("Charts"), Role.QUALITY, "chart"),
    Page("/users", mark("Users"), Role.ADMIN, "users"),
    Page("/audit", mark("Audit log"), Role.QUALITY, "book"),
    Page("/recipes", mark("Recipes"), Role.QUALITY, "book"),
    Page("/teach", mark("Teach"), Role.QUALITY, "box"),
    Page("/jobs", mark("Jobs"), Role.QUALITY, "clock"),
    Page("/health", mark("Health"), Role.INTEGRATOR, "health"),
    Page("/io", mark("Inputs and outputs"), Role.INTEGRATOR, "bits"),
    Page("/cameras", mark("Cameras"), Role.INTEGRATOR, "lens"),
    Page("/calibration", mark("Calibration"), Role.INTEGRATOR, "ruler"),
    Page("/backup", mark("Backup and restore"), Role.INTEGRATOR, "box"),
    Page("/components", mark("Components"), Role.WATCH, "grid"),
    Page("/more", mark("More"), Role.WATCH, "more", panel=True),
)


def pages_for(role: Role) -> list[Page]:
    """What someone of this role may open."""
    return [page for page in MENU if page.role <= role]
