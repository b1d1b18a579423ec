"""The page in a real browser: what an operator sees, above all when something has stopped."""

import signal

import pytest

from inspector.types import Verdict
from inspector.web.words import Words

from .fakes import ALARM, FakeLine, WebProcess, make_event
from .seen import OVERFLOW, Seen

BOX_EDGE = """() => {
    const canvas = document.getElementById("overlay"), scale = canvas.width / 1280;
    const [x, y] = [500 * scale, 345 * scale].map(Math.round);
    return [...canvas.getContext("2d").getImageData(x, y, 1, 1).data];
}"""


@pytest.mark.parametrize("language", ["zh", "pseudo"])
@pytest.mark.parametrize(("width", "height"), [(1280, 800), (1920, 1080)])
def test_nothing_is_cut_off_in_chinese_and_in_a_language_40_percent_longer(browser, shared, width, height, language):
    line, web = shared
    context = browser.new_context(viewport={"width": width, "height": height})
    context.add_cookies([{"name": "lang", "value": language, "url": web.url}])
    line.parts = lambda number: make_event(number + 99_000, Verdict.NOT_INSPECTED)
    line.alarms = (ALARM,)
    words = Words(language)
    seen = Seen(context.new_page(), web.url)
    seen.wait_for_word(" ".join(words("NOT\nINSPECTED").split()))
    assert seen.page.evaluate(OVERFLOW) == []
    for state, said in [("Stopped", "LINE\nSTOPPED"), ("Aborted", "ABORTED"), ("Idle", "READY")]:
        line.state = state
        seen.wait_for_word(" ".join(words(said).split()))
        assert seen.page.evaluate(OVERFLOW) == [], said
    for path in ("/more", "/components"):
        seen.page.goto(web.url + path)
        assert seen.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), path
    assert seen.troubles == []
    assert all(url.startswith((web.url, "blob:")) for url in seen.asked), seen.asked
    context.close()


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (1920, 1080)])
def test_each_verdict_and_state_is_readable_whole_and_asks_nothing_of_others(seen, shared, width, height):
    line, web = shared
    seen.page.set_viewport_size({"width": width, "height": height})
    seen.wait_for_word("WAITING")
    cases = [(Verdict.PASS, "PASS"), (Verdict.REJECT, "REJECT"), (Verdict.NOT_INSPECTED, "NOT INSPECTED")]
    for verdict, word in cases:
        line.parts = lambda number, verdict=verdict: make_event(number + 99_000, verdict)
        line.alarms = (ALARM,)
        seen.wait_for_word(word)
        assert seen.page.evaluate(OVERFLOW) == [], word
        assert seen.text("detail").startswith("#99")
    for state, word, chip in [
        ("Held", "HELD", "Held"),
        ("Aborted", "ABORTED", "Aborted"),
        ("Stopped", "LINE STOPPED", "Stopped"),
        ("Idle", "READY", "Ready"),
    ]:
        line.state = state
        seen.wait_for_word(word)
        assert seen.page.evaluate(OVERFLOW) == [], word
        assert seen.text("state") == chip
    assert "Reject bin 80 % full" in seen.text("alarm-list")
    assert "Empty it soon." in seen.text("alarm-list")
    assert seen.troubles == []
    assert all(url.startswith((web.url, "blob:")) for url in seen.asked), seen.asked


def test_the_picture_is_drawn_with_its_boxes_and_the_counts_are_of_the_same_part(seen, shared):
    line, _ = shared
    line.parts = lambda number: make_event(number, Verdict.REJECT)
    seen.wait_for_word("REJECT")
    seen.wait_until("() => document.getElementById('picture').width === 1280")
    pixel = seen.page.evaluate(BOX_EDGE)
    assert pixel[0] > 150
    assert pixel[1] < 100
    shown = seen.page.evaluate(
        """() => Array.from({ length: 40 }, () => new Promise((done) => setTimeout(() => done(
        [document.getElementById("detail").innerText, ...["inspected", "not_inspected"].map(
            (name) => Number(document.getElementById(name).innerText))]), 40)))
        .reduce((all, next) => all.then((list) => next.then((one) => [...list, one])), Promise.resolve([]))"""
    )
    assert all(detail.split()[0] == f"#{inspected + missed}" for detail, inspected, missed in shown), shown


def test_a_stopped_web_process_takes_the_verdict_down_within_3_seconds_and_it_comes_back(seen, shared):
    line, web = shared
    line.parts = make_event
    seen.wait_for_word("PASS")
    web.signal(signal.SIGSTOP)
    seen.wait_for_word("NO CONNECTION", timeout_s=4)
    assert seen.text("connection") == "offline"
    assert "What is shown is old" in seen.text("caption")
    web.signal(signal.SIGCONT)
    seen.wait_for_word("PASS")
    assert seen.text("connection") == "connected"


def test_a_killed_web_process_too_and_the_page_finds_the_next_one_by_itself(seen, station):
    line, web = station
    line.parts = make_event
    seen.wait_for_word("PASS")
    web.process.kill()
    web.process.wait()
    seen.wait_for_word("NO CONNECTION", timeout_s=4)
    again = WebProcess(line.server.path.parent / "station", line.server.path, port=web.port)
    seen.wait_for_word("PASS")
    again.close()


def test_a_line_that_dies_or_hangs_is_line_down_and_never_an_old_verdict(seen, station):
    line, _ = station
    line.parts = make_event
    seen.wait_for_word("PASS")
    line.close()
    seen.wait_for_word("LINE DOWN", timeout_s=4)
    assert "does not answer" in seen.text("caption")
    again = FakeLine(line.server.path)
    seen.wait_for_word("WAITING")
    again.parts = make_event
    seen.wait_for_word("PASS")
    again._stop.set()  # it hangs: the connection stays, nothing comes
    seen.wait_for_word("LINE DOWN", timeout_s=6)
    again.close()


def test_a_verdict_ages_when_no_part_comes(seen, shared):
    line, _ = shared
    line.parts = make_event
    seen.wait_for_word("PASS")
    line.parts = None
    seen.wait_for_word("WAITING", timeout_s=5)
    assert seen.text("detail").startswith("Last: PASS #")
