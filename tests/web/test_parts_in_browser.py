"""Pages of parts in a real browser: keys, labels, zoom, rows that come by themselves, and how long a page takes."""

import contextlib
import shutil
import statistics
from dataclasses import replace

import cv2
import psutil
import pytest

from inspector.clock import SystemClock
from inspector.record.reader import store_url
from inspector.record.store import Store
from inspector.types import Verdict
from tests.record.many import fill

from .fakes import WebProcess, fill_store, make_config, make_picture, make_record

FIRST = 1 << 32
CLIPPED = """() => [...document.querySelectorAll("main button, main .button, .list th, main h2, .badge, nav a")]
    .filter((e) => e.offsetParent && getComputedStyle(e).display !== "inline")
    .filter((e) => e.scrollWidth > e.clientWidth + 1 || e.getBoundingClientRect().right > innerWidth + 1)
    .map((e) => e.textContent.trim().slice(0, 40))"""


@pytest.fixture(scope="module")
def station(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parts")
    config = make_config(folder / "station")
    fill_store(config)
    cv2.imwrite(str(config.path(config.record.images) / "day/a.jpg"), make_picture(1, 640, 480))
    now = SystemClock().utc()
    made = [replace(make_record(n, Verdict.REJECT, "day/a.jpg"), seen_at_utc=now) for n in range(31, 151)]
    with contextlib.closing(Store.open(store_url(config.record.store, config.folder), SystemClock())) as store:
        store.write(made)
    web = WebProcess(config.folder, folder / "line.sock")
    yield web
    web.close()


@pytest.fixture
def page(browser, station):
    opened = browser.new_page(viewport={"width": 1280, "height": 800})
    opened.troubles = []
    opened.on("pageerror", lambda error: opened.troubles.append(str(error)))
    opened.on("request", lambda asked: None if station.url in asked.url else opened.troubles.append(asked.url))
    yield opened
    assert opened.troubles == []
    opened.close()


def _chosen(page):
    return int(page.get_attribute('#parts > [aria-selected="true"]', "data-part")) - FIRST


def _shows(page, number):
    page.wait_for_selector(f'#pane .part-view[data-part="{FIRST | number}"]')


def test_keys_go_through_the_list_and_label_and_the_history_has_it(page, station):
    page.goto(f"{station.url}/defects")
    page.keyboard.press("j")
    _shows(page, 150)
    page.keyboard.press("1")
    _shows(page, 149)  # on to the next
    assert page.inner_text(f'[data-part="{FIRST | 150}"] .review') == "true reject"
    page.keyboard.press("3")  # an escape was not thrown out: the button is off, the key too
    page.keyboard.press("2")
    _shows(page, 148)
    assert page.inner_text(f'[data-part="{FIRST | 149}"] .review') == "false reject"
    page.keyboard.press("k")
    _shows(page, 149)
    assert _chosen(page) == 149
    assert "false reject" in page.inner_text("#pane .words")
    page.reload()
    assert page.inner_text(f'[data-part="{FIRST | 150}"] .review') == "true reject"


def test_ticked_parts_are_labelled_together_and_shift_ticks_all_between(page, station):
    page.goto(f"{station.url}/defects")
    boxes = page.locator("#parts .pick input")
    boxes.nth(5).click()
    boxes.nth(9).click(modifiers=["Shift"])
    assert page.inner_text("#chosen b") == "5 parts"
    assert page.is_disabled('#chosen [data-say="escape"]')
    page.click('#chosen [data-say="unsure"]')
    page.wait_for_selector("#chosen", state="hidden")
    assert [page.locator("#parts .review").nth(n).inner_text() for n in range(5, 10)] == ["unsure"] * 5


def test_older_rows_come_when_the_end_is_near(page, station):
    page.goto(f"{station.url}/defects")
    assert page.locator("#parts > .part").count() >= 50
    for _ in range(6):
        page.mouse.wheel(0, 20_000)
        page.wait_for_timeout(150)
    page.wait_for_function("document.querySelectorAll('#parts > .part').length === 130")
    assert page.query_selector("#more") is None
    numbers = [
        int(found) for found in page.eval_on_selector_all("#parts > .part", "all => all.map(e => e.dataset.part)")
    ]
    assert numbers == sorted(numbers, reverse=True)


def test_the_picture_is_zoomed_to_its_pixels_and_moved(page, station):
    page.goto(f"{station.url}/parts/{FIRST | 140}")
    picture = page.locator("part-picture")
    page.wait_for_function("document.querySelector('part-picture').dataset.scale")
    whole = float(picture.get_attribute("data-scale"))
    assert page.eval_on_selector("part-picture svg", "svg => svg.getAttribute('viewBox')") == "0 0 640 480"
    page.click('[data-zoom="1"]')
    assert float(picture.get_attribute("data-scale")) == 1.0
    page.click('[data-zoom="4"]')
    assert float(picture.get_attribute("data-scale")) == 4.0
    room = page.locator(".room").bounding_box()
    before = page.locator(".sheet").bounding_box()
    page.mouse.move(room["x"] + 100, room["y"] + 100)
    page.mouse.down()
    page.mouse.move(room["x"] + 160, room["y"] + 130)
    page.mouse.up()
    after = page.locator(".sheet").bounding_box()
    assert (after["x"] - before["x"], after["y"] - before["y"]) == (pytest.approx(60, abs=1), pytest.approx(30, abs=1))
    page.click('[data-zoom="fit"]')
    assert float(picture.get_attribute("data-scale")) == whole


def test_the_queue_is_worked_by_keys_and_taken_back(page, station):
    page.goto(f"{station.url}/review")
    first = page.get_attribute('.verdicts [name="part"]', "value")
    page.keyboard.press("1")
    page.wait_for_selector("#undo")
    assert page.get_attribute('.verdicts [name="part"]', "value") != first
    page.keyboard.press("u")
    page.wait_for_selector("#undo", state="detached")
    assert page.get_attribute('.verdicts [name="part"]', "value") == first


@pytest.mark.parametrize("size", [(1280, 800), (1920, 1080)])
@pytest.mark.parametrize("language", ["en", "zh", "pseudo"])
def test_nothing_is_cut_off_and_buttons_are_large_enough(browser, station, size, language):
    context = browser.new_context(viewport={"width": size[0], "height": size[1]})
    context.add_cookies([{"name": "lang", "value": language, "url": station.url}])
    page = context.new_page()
    for path in ("/defects", "/defects?view=gallery", f"/parts/{FIRST | 140}", "/review", "/charts?span=any&chart=p"):
        page.goto(station.url + path)
        assert page.evaluate(CLIPPED) == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        low = page.eval_on_selector_all(
            "main button, main .button",
            "all => all.filter(e => e.offsetParent && e.getBoundingClientRect().height < 47.5).map(e => e.textContent)",
        )
        assert low == [], path
    context.close()


def wait_for_quiet(timeout_s=60):
    """Until the machine has a core to spare; a time that is taken beside others is theirs as well."""
    busy = [psutil.cpu_percent(0.1)]
    while min(busy[-2:]) > 40 and len(busy) < timeout_s / 0.1:
        busy.append(psutil.cpu_percent(0.1))


@pytest.mark.soak
def test_a_million_records_in_the_browser(browser, tmp_path):
    """From the click to the end of the page's load event, median of seven; the limits of issue 6."""
    config = make_config(tmp_path / "station")
    path = config.folder / "data/records.sqlite"
    path.parent.mkdir()
    fill(path, 1_000_000)
    shutil.rmtree(config.path(config.record.images), ignore_errors=True)  # every picture is missing
    web = WebProcess(config.folder, tmp_path / "line.sock")
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    pages = {
        "/defects": 200, "/defects?view=gallery": 200, "/defects?label=burr": 200,
        "/defects?verdict=not_inspected": 200,
        "/defects?verdict=all&score_min=0.95&score_max=1.05": 200, "/defects?serial=SN000500123&verdict=all": 200,
        "/defects?recipe=hub": 200, "/defects?shift=early": 200, "/defects?before=500000": 200,
        "/defects?verdict=all&score_min=0.50001&score_max=0.50002": 200, f"/parts/{FIRST + 500_000}": 200,
        "/charts?span=any": 300, "/charts?span=any&chart=p": 300, "/charts?span=any&chart=yield": 300,
        "/charts?span=any&chart=times": 300, "/charts?span=any&chart=places": 300, "/review": 200,
    }  # fmt: skip
    took = {}
    try:
        for address, limit in pages.items():
            times = []
            for _ in range(7):
                wait_for_quiet()
                assert page.goto(web.url + address).status == 200
                times.append(page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd"))
            took[address] = (statistics.median(times), limit)
            print(f"{took[address][0]:7.0f} ms (at most {limit}), {min(times):.0f} at best  {address}", flush=True)
    finally:
        web.close()
        page.close()
    assert all(ms <= limit for ms, limit in took.values())
