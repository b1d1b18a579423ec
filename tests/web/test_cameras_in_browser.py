"""The camera page in a real browser: pictures of no part, numbers of them, exposure tried and kept."""

import pytest

from inspector.config import load_station

from .fakes import make_picture, until
from .seen import Seen

CAMERA = {"source": "0", "exposure_time_us": "5000", "gain_db": "0", "refused": ""}
NUMBERS = ("rate", "mean", "focus", "white")


@pytest.fixture
def page(browser, station):
    line, web = station
    line.state = "Idle"
    line.say = lambda: line.server.publish_camera("2026-03-01T10:00:00.000Z", make_picture(1))
    line.more = {"camera": CAMERA}
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    seen = Seen(context.new_page(), web.url + "/cameras")
    yield seen
    assert seen.troubles == []
    context.close()


def _says(place, words):
    return f"() => document.getElementById('{place}').textContent.includes({words!r})"


def test_free_frames_are_shown_and_measured_and_are_nobodys_verdict(page, station):
    line, _ = station
    page.wait_until("() => document.querySelector('#picture').width > 300")
    page.wait_until(_says("rate", "."))
    assert all(page.text(name) != "-" for name in NUMBERS)
    assert page.text("size") != "-"
    line.say = lambda: None
    page.wait_until("() => document.querySelector('#picture').classList.contains('stale')")
    page.wait_until(_says("no-picture", "The belt stands"))
    assert "PASS" not in page.page.inner_text("main")


def test_exposure_is_set_in_maintenance_only_and_kept_when_asked(page, station):
    line, web = station
    page.wait_until("() => document.querySelector('[data-told=exposure_time_us]').textContent === '5000'")
    assert page.page.is_disabled("#exposure-try")
    assert page.page.is_disabled("#exposure-keep")
    page.page.click("#maintenance")
    until(lambda: line.asked, "the maintenance mode")
    assert line.asked[-1].argument == "begin"
    line.more = {"camera": CAMERA, "test_left_s": 500.0}
    page.wait_until("() => !document.querySelector('#exposure-try').disabled")
    page.page.fill("#exposure-us", "750")
    page.page.click("#exposure-try")
    line.more = {
        "camera": CAMERA | {"exposure_time_us": "700", "refused": "exposure_time_us=750"},
        "test_left_s": 500.0,
    }
    page.wait_until("() => document.querySelector('[data-told=exposure_time_us]').textContent === '700'")
    assert page.page.is_visible("#refused-by-camera")
    assert (line.asked[-1].what, line.asked[-1].argument) == ("camera", "750 0")
    page.page.click("#exposure-keep")
    page.wait_until(_says("exposure-said", "Kept in the station file"))
    assert load_station(web.folder / "station.toml").camera.exposure_time_us == 750
    line.answer = lambda _command: "the camera is set up in maintenance: begin it first"
    page.page.click("#exposure-try")
    page.wait_until(_says("exposure-said", "begin it first"))
    assert "409" in page.troubles.pop()
    page.page.fill("#exposure-us", "0")
    asked = len(line.asked)
    page.page.click("#exposure-keep")
    page.page.wait_for_timeout(300)
    assert len(line.asked) == asked, "the browser says what is wrong with the number"
