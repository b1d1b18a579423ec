"""The pages for desks, put together: recipes, jobs, teaching and set-up, and what they find on `app.state`.

What it is: one call for the app factory. What it is not: any page. Main thread, at start-up.
"""

from __future__ import annotations

from fastapi import FastAPI

from inspector.clock import Clock
from inspector.config import StationConfig
from inspector.jobs.folder import JobFolder
from inspector.recipe_book import RecipeBook
from inspector.teaching_sets import TeachingSets
from inspector.web import backup_pages, job_pages, recipe_pages, setup_pages, teach_pages, upload_pages


def mount(app: FastAPI, config: StationConfig, clock: Clock) -> None:
    """Add the pages to an app."""
    app.state.clock = clock
    app.state.jobs = JobFolder(config.path(config.web.work) / "jobs")
    app.state.book = RecipeBook(config.path(config.station.recipe).parent, clock)
    app.state.teaching_sets = TeachingSets(config.path(config.web.work) / "teaching")
    for module in (job_pages, recipe_pages, teach_pages, upload_pages, setup_pages, backup_pages):
        app.include_router(module.pages)
