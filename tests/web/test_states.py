"""Each state of the live page, driven by a line that says what it is told to; and the PIN in its place."""

import base64
import signal
from dataclasses import replace

import pytest

from inspector.alarms import WORDS, Alarms
from inspector.clock import SystemClock
from inspector.link.messages import Heat
from inspector.people import audit
from inspector.people.accounts import Accounts, Role
from inspector.people.audit import Actor
from inspector.people.store import WebStore
from inspector.types import Measurement, Reason, Verdict
from inspector.web import menu
from inspector.web.said import REASONS
from inspector.web.words import Words

from .fakes import ALARM, FakeLine, WebProcess, counts_after, make_config, make_event, until
from .seen import OVERFLOW, Seen

LATE = 90_000  # part numbers as long as they become in a shift
STATUS_OF = {
    # what the line says: word on the verdict panel, its icon, its tone, and what the picture's place says
    "no camera": ({"camera_trouble": "no frame for 3 s"}, "Execute", "NO CAMERA", "camera", "tone-alarm"),
    "test": ({"test_left_s": 251.0}, "Execute", "TEST", "test", "tone-warning"),
    "bypass": ({"unchecked": 17}, "Execute", "BYPASS", "bypass", "tone-warning"),
    "preparing": ({"preparing": "hub"}, "Idle", "PREPARING", "clock", ""),
    "stopped": ({}, "Stopped", "LINE STOPPED", "stop", ""),
    "ready": ({}, "Idle", "READY", "stop", ""),
    "held": ({}, "Held", "HELD", "warning", "tone-warning"),
    "aborted": ({}, "Aborted", "ABORTED", "down", "tone-alarm"),
    "no camera in every state but aborted": (
        {"camera_trouble": "gone", "preparing": "hub"},
        "Idle",
        "NO CAMERA",
        "camera",
        "tone-alarm",
    ),
}
# Whether the overlay's middle is as wanted; on a busy machine a part may come without its picture, hence waited for.
MIDDLE = """([low, high]) => {
    const overlay = document.getElementById("overlay");
    if (!overlay.width) return false;
    const [x, y] = [overlay.width >> 1, overlay.height >> 1];
    return [...overlay.getContext("2d").getImageData(x, y, 1, 1).data].every((v, i) => v >= low[i] && v <= high[i]);
}"""
RED, HOT, CLEAR = ([150, 0, 0, 200], [255, 120, 120, 255]), ([150, 0, 0, 150], [255] * 4), ([0] * 4, [0] * 4)


def sign(seen):
    icon = seen.page.get_attribute("#icon", "href").removeprefix("#icon-")
    return seen.word(), icon, seen.page.get_attribute("#verdict", "class") or ""


def test_every_state_of_the_line_has_its_word_icon_and_colour_and_no_verdict_stays(seen, shared):
    line, _ = shared
    line.parts = lambda number: make_event(number + LATE)
    line.alarms = (ALARM,)
    seen.wait_for_word("PASS")
    places = "() => ['verdict', 'counts', 'actions', 'stage'].map((id) => document.getElementById(id).offsetTop)"
    before = seen.page.evaluate(places)
    for name, (more, state, word, icon, tone) in STATUS_OF.items():
        line.more, line.state = more, state
        seen.wait_for_word(word)
        assert sign(seen) == (word, icon, tone), name
        assert seen.page.evaluate(OVERFLOW) == [], name
        if not {"test_left_s", "unchecked"} & more.keys():
            assert seen.page.evaluate(places) == before, name  # nothing jumps
    line.more, line.state = {}, "Execute"
    seen.wait_for_word("PASS")
    assert seen.troubles == []


def test_a_camera_that_is_gone_is_said_with_its_name_and_what_to_do_and_comes_back(seen, shared):
    line, _ = shared
    line.parts = make_event
    seen.wait_for_word("PASS")
    line.more = {"camera_trouble": "no frame for 3 s"}
    seen.wait_for_word("NO CAMERA", timeout_s=3)
    assert seen.text("placeholder-text") == "Camera camera0 gives no pictures. Check its cable and its power."
    assert seen.page.inner_text("#placeholder-detail[lang=en]") == "no frame for 3 s"
    assert "not inspected" in seen.text("detail")
    line.more = {}
    seen.wait_for_word("PASS")
    assert not seen.page.is_visible("#placeholder")


def test_parts_without_pictures_are_said_after_a_second_and_a_picture_ends_it(seen, shared):
    line, _ = shared
    old = replace(counts_after(1), without_picture=7)  # of before this page looked
    line.more, line.parts = {"counts": old}, lambda number: make_event(number, counts=old)
    seen.wait_for_word("PASS")
    line.parts, line.more = None, {"counts": replace(old, without_picture=8)}
    seen.wait_for_word("NO NEW PICTURE")
    assert seen.text("caption").startswith("No new picture for")
    line.parts = lambda number: make_event(number, counts=replace(old, without_picture=8))
    seen.wait_for_word("PASS")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"test_left_s": 251.0}, "TEST: outputs are forced by hand. It ends by itself in 251 s."),
        ({"unchecked": 17}, "BYPASS: parts pass unchecked, 17 so far."),
    ],
    ids=["test", "bypass"],
)
def test_forced_outputs_and_bypass_are_seen_on_every_page(seen, shared, more, said):
    line, web = shared
    line.more = more
    for page in menu.MENU:
        seen.page.goto(web.url + page.path)
        seen.wait_until("() => !document.getElementById('notice').hidden")
        assert seen.text("notice") == said, page.path
        frame = "() => getComputedStyle(document.body, '::after').borderTopStyle"
        assert seen.page.evaluate(frame) == "solid", page.path


def test_nothing_recorded_yet_says_why_and_what_comes_next(browser, tmp_path):
    line = FakeLine(tmp_path / "line.sock")
    web = WebProcess(make_config(tmp_path / "station").folder, tmp_path / "line.sock")
    page = browser.new_page()
    seen = Seen(page, web.url)
    seen.wait_for_word("WAITING")
    assert seen.text("detail") == "For the first part."
    assert "comes with the next part" in seen.text("caption")
    assert seen.text("reject-list") == "No rejected part yet."
    page.close()
    web.close()
    line.close()


def test_every_page_says_that_it_is_offline_when_the_web_is_stopped_and_none_keeps_a_verdict(browser, shared):
    line, web = shared
    line.parts = make_event
    context = browser.new_context()
    pages = {}
    for page in menu.MENU:
        pages[page.path] = Seen(context.new_page(), web.url + page.path)
    pages["/"].wait_for_word("PASS")
    web.signal(signal.SIGSTOP)
    pages["/"].wait_for_word("NO CONNECTION", timeout_s=4)
    for path, seen in pages.items():
        seen.wait_until("() => document.getElementById('connection').textContent === 'offline'")
        assert seen.page.evaluate("() => document.body.dataset.mode") == "offline", path
    web.signal(signal.SIGCONT)
    for seen in pages.values():
        seen.wait_until("() => document.getElementById('connection').textContent === 'connected'")
    pages["/"].wait_for_word("PASS")
    context.close()


def test_the_overlay_is_boxes_then_heat_then_nothing_and_measurements_are_drawn_where_they_were_made(seen, shared):
    line, _ = shared
    hot = Heat(
        width=1, height=1, cells=base64.b64encode(b"\xff").decode(), to_frame=(400.0, 0.0, 440.0, 0.0, 300.0, 330.0)
    )
    gap = Measurement(name="gap", value=3.0, unit="mm", low=1.0, high=2.0, shapes=(("line", 600, 480, 680, 480),))
    line.parts = lambda number: make_event(number, measurements=(gap,), heat=hot)
    seen.wait_for_word("PASS")
    seen.wait_until("() => document.getElementById('picture').width === 1280")
    seen.page.wait_for_function(MIDDLE, arg=RED)  # the measured line goes through the picture's middle
    seen.page.click("#overlay-mode")
    assert seen.text("overlay-word") == "Heat map"
    seen.page.wait_for_function(MIDDLE, arg=HOT)
    seen.page.click("#overlay-mode")
    seen.page.wait_for_function(MIDDLE, arg=CLEAR)
    seen.page.click("#overlay-mode")
    seen.page.wait_for_function(MIDDLE, arg=RED)
    line.more = {"unchecked": 1}  # nothing is drawn over what nobody checks
    seen.wait_for_word("BYPASS")
    seen.page.wait_for_function(MIDDLE, arg=CLEAR)


def test_a_frozen_picture_is_marked_and_the_verdict_goes_on(seen, shared):
    line, _ = shared
    line.parts = make_event
    seen.wait_for_word("PASS")
    seen.page.click("#freeze")
    seen.wait_until("() => document.getElementById('caption').innerText.startsWith('Frozen: part #')")
    frozen, part = seen.text("caption"), seen.text("detail").split()[0]
    line.parts = lambda number: make_event(number, Verdict.REJECT)
    seen.wait_for_word("REJECT")
    assert seen.text("detail").split()[0] != part
    assert seen.text("caption") == frozen
    seen.page.click("#freeze")
    seen.wait_until("() => document.getElementById('caption').innerText.startsWith('Part #')")


def test_a_reject_is_enlarged_by_a_tap_and_closes_with_the_connection(seen, shared):
    line, web = shared
    line.parts = make_event
    seen.page.wait_for_selector("#reject-list button")
    assert seen.page.locator("#reject-list button").count() == 6
    seen.page.click("#reject-list button")
    assert seen.page.is_visible("#sheet")
    assert seen.text("sheet-text").startswith("#30 / 1")
    assert seen.word() == "PASS"  # it hides the picture, never the verdict
    web.signal(signal.SIGSTOP)
    seen.wait_for_word("NO CONNECTION", timeout_s=4)
    assert not seen.page.is_visible("#sheet")
    web.signal(signal.SIGCONT)


def test_the_yield_is_of_the_counts_and_marked_below_its_target(seen, shared):
    line, _ = shared
    event = make_event(100)
    counts = replace(event.counts, passed=98, rejected=1, not_inspected=1)
    line.parts = lambda _: replace(event, counts=counts)
    seen.wait_until("() => document.getElementById('yield').innerText === '98.0 %'")
    assert "under" not in (seen.page.get_attribute("#yield-bar", "class") or "")
    line.parts = lambda _: replace(event, counts=replace(counts, passed=90, not_inspected=9))
    seen.wait_until("() => document.getElementById('yield').innerText === '90.0 %'")
    assert seen.page.get_attribute("#yield-bar", "class") == "under"
    assert seen.text("inspected") == "91"


def test_buttons_work_where_they_may_and_are_grey_where_not(seen, shared):
    line, _ = shared
    seen.wait_for_word("WAITING")
    may = {"Execute": ["stop"], "Idle": ["start"], "Held": ["reset"], "Aborted": ["reset"], "Stopped": []}
    for state, names in may.items():
        line.state = state
        wanted = {name: name in names for name in ("start", "stop", "reset")}
        seen.page.wait_for_function(
            "(may) => Object.entries(may).every(([id, on]) => document.getElementById(id).disabled !== on)", arg=wanted
        )
    line.state, line.alarms = "Idle", (ALARM,)
    seen.wait_until("() => !document.getElementById('start').disabled")
    seen.page.click("#start")
    seen.page.click("#alarm-list button")
    until(lambda: [(one.what, one.argument) for one in line.asked] == [("start", ""), ("ack", "bin_full")])


def test_a_pin_is_asked_for_in_place_and_then_it_is_done(browser, tmp_path):
    config = make_config(tmp_path / "station")
    store = WebStore(f"sqlite:///{tmp_path}/station/data/web.sqlite", SystemClock())
    by = Actor(name="t", role="", by="console", address="")
    Accounts(store).add("Ann", Role.ADMIN, "a long password", by)
    Accounts(store).add("Bo", Role.OPERATOR, "4711", by)
    line = FakeLine(tmp_path / "line.sock")
    web = WebProcess(config.folder, tmp_path / "line.sock")
    page = browser.new_page()
    seen = Seen(page, web.url)
    seen.wait_for_word("WAITING")
    page.click("#stop")
    page.wait_for_selector("#login[open]")
    assert line.asked == []
    page.click("[data-name=Bo]")
    for digit in "4712":
        page.click(f"[data-digit='{digit}']")
    page.click(".pin-pad .main")
    page.wait_for_selector(".pin-trouble:not([hidden])")
    assert page.inner_text(".pin-trouble") == "Wrong name or PIN."
    for digit in "47119":
        page.click(f"[data-digit='{digit}']")
    page.click("[data-erase]")
    page.click(".pin-pad .main")
    page.wait_for_selector("#login:not([open])", state="hidden")
    until(lambda: [one.what for one in line.asked] == ["stop"])
    assert (seen.text("who"), page.url) == ("Bo", web.url + "/")
    rows = [(row.actor.name, row.what) for row in audit.page(store)]
    assert rows[:3] == [("Bo", "line.stop"), ("Bo", "login"), ("Bo", "login.wrong")]
    page.close()
    web.close()
    line.close()
    store.close()


@pytest.mark.parametrize("language", ["zh", "pseudo"])
def test_alarms_and_reasons_of_the_line_are_said_in_the_reader_s_language(browser, shared, language):
    line, web = shared
    alarms = Alarms(SystemClock())
    alarms.raise_("controller_eye_stuck")
    alarms.raise_("camera_lost", trouble="<b>no frame</b> for 3 s")
    unknown = replace(ALARM, code="of_a_newer_version")
    line.alarms = (*alarms.all(), unknown)
    reason = Reason(code="no_frame", text="English from the line")
    line.parts = lambda number: make_event(number, Verdict.NOT_INSPECTED, reasons=(reason,))
    context = browser.new_context()
    context.add_cookies([{"name": "lang", "value": language, "url": web.url}])
    seen, words = Seen(context.new_page(), web.url), Words(language)
    seen.page.wait_for_selector("#alarm-list button")
    seen.wait_until("() => document.getElementById('detail').innerText.includes('#')")
    told = seen.text("alarm-list")
    assert seen.page.inner_text("#alarm-list .detail[lang=en]") == "<b>no frame</b> for 3 s"
    for wanted in (*WORDS["controller_eye_stuck"], *WORDS["camera_lost"]):
        assert words(wanted) in told
        assert wanted not in told
    assert (unknown.text in told, unknown.advice in told) == (True, True)  # English is better than nothing
    assert words(REASONS["no_frame"]) in seen.text("detail")
    assert seen.troubles == []
    if language == "zh":
        assert "光电眼" in told
        assert "图像未及时到达" in seen.text("detail")
    seen.page.goto(f"{web.url}/health")
    assert words(WORDS["controller_eye_stuck"].advice) in seen.page.inner_text("main")
    assert words(WORDS["camera_lost"].text) in seen.page.inner_text("main")
    assert seen.page.inner_text("main .alarms .detail[lang=en]") == "<b>no frame</b> for 3 s"
    context.close()


def test_a_browser_whose_clock_is_wrong_by_a_day_shows_the_station_s_time_and_knows_what_is_old(browser, station):
    line, web = station
    line.parts = make_event
    context = browser.new_context(timezone_id="UTC")
    page = context.new_page()
    # 25 h and 7 min ahead; how long ago something was is told by a clock that only counts.
    page.add_init_script(
        "{ const Real = Date, ahead = 90_420_000;"
        " window.Date = class extends Real {"
        " constructor(...given) { given.length ? super(...given) : super(Real.now() + ahead); }"
        " static now() { return Real.now() + ahead; } }; }"
    )
    seen = Seen(page, web.url)
    seen.wait_for_word("PASS")
    shown = [int(part) for part in seen.text("clock").split(":")]
    really = SystemClock().utc()[11:19].split(":")
    apart = abs((shown[0] - int(really[0])) * 60 + shown[1] - int(really[1]))
    assert min(apart, 1440 - apart) <= 1
    assert page.evaluate("() => Math.abs(Date.now() - performance.timeOrigin) > 80_000_000")  # it was wrong
    web.signal(signal.SIGSTOP)
    seen.wait_for_word("NO CONNECTION", timeout_s=5)
    since = seen.text("detail")
    assert f" {shown[0]:02d}:" in since or f" {(shown[0] + 1) % 24:02d}:" in since
    web.signal(signal.SIGCONT)
    seen.wait_for_word("PASS")
    assert seen.troubles == []
    context.close()
