"""A real browser, and a station with its web process, for the tests of pages."""

import os
import shutil
import signal
from pathlib import Path

import pytest

from .fakes import FakeLine, WebProcess, fill_store, make_config
from .seen import FLAGS, Seen

HERE = Path(__file__).parent


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Tests with the browser come last here: while it is there, no other test may run an event loop of its own. Whole
    files, since two processes share the files out."""
    places = [at for at, item in enumerate(items) if item.path.parent == HERE]
    ours = sorted((items[at] for at in places), key=_with_browser)
    for at, item in zip(places, ours, strict=True):
        items[at] = item
    files = [{item.path for item in ours if _with_browser(item) is with_browser} for with_browser in (True, False)]
    if mixed := files[0] & files[1]:
        raise pytest.UsageError(f"{sorted(map(str, mixed))}: tests with the browser want a file of their own")


def _with_browser(item):
    return "browser" in item.fixturenames


@pytest.fixture(scope="package")
def browser():
    """Chromium, one for all tests of this folder: starting it takes seconds on a busy machine."""
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


@pytest.fixture(scope="package")
def house(tmp_path_factory):
    """A line and a web process that tests share which leave nothing behind in them."""
    folder = tmp_path_factory.mktemp("house")
    config = make_config(folder / "station")
    fill_store(config)
    line = FakeLine(folder / "line.sock")
    web = WebProcess(config.folder, folder / "line.sock")
    yield line, web
    web.close()
    line.close()


@pytest.fixture
def shared(house):
    """The house as it was at first."""
    line, web = house
    web.signal(signal.SIGCONT)
    line.be_quiet()
    return line, web


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
def seen(request, browser):
    """The live page of the test's station, its own or the shared one."""
    name = "shared" if "shared" in request.fixturenames else "station"
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    yield Seen(context.new_page(), request.getfixturevalue(name)[1].url)
    context.close()
