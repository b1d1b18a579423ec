"""A real browser, and a station with its web process, for the tests of pages."""

import os
import shutil

import pytest

from .fakes import FakeLine, WebProcess, fill_store, make_config
from .seen import FLAGS, Seen


@pytest.fixture(scope="session")
def browser():
    program = shutil.which("chromium")
    missing = "" if program else "the program chromium is not installed"
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        missing = "the package playwright is not installed"
    if missing:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(missing)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def station(tmp_path):
    config = make_config(tmp_path / "station")
    fill_store(config)
    line = FakeLine(tmp_path / "line.sock")
    web = WebProcess(config.folder, tmp_path / "line.sock")
    yield line, web
    web.close()
    line.close()


@pytest.fixture
def seen(browser, station):
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    yield Seen(page, station[1].url)
    page.close()
