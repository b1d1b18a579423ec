"""What holds on every page: sizes for fingers and distance, no clipped word, access for all, nothing from outside."""

import os
import statistics

import pytest

from inspector.types import Verdict
from inspector.web import menu

from .fakes import ALARM, make_event
from .seen import OVERFLOW, Seen

PATHS = [*(page.path for page in menu.MENU), "/login", "/nowhere"]
SIZES = [(1280, 800), (1920, 1080)]
TARGETS = """() => [...document.querySelectorAll("button, a, input:not([type=hidden]), select, summary")]
    .filter((e) => !e.closest("[hidden], dialog:not([open]), details:not([open]) > :not(summary)") && e.offsetParent)
    .filter((e) => e.type !== "checkbox" || !e.closest("label"))
    .map((e) => { const r = e.getBoundingClientRect(); return [e.outerHTML.slice(0, 80), r.width, r.height]; })"""
# Height of a capital letter in mm: the font's own measure, of the panel that is set.
CAPITALS = """(mm) => Object.fromEntries(["word", "yield", "rejected", "detail"].map((id) => {
    const style = getComputedStyle(document.getElementById(id));
    const pen = document.createElement("canvas").getContext("2d");
    pen.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
    return [id, pen.measureText("H").actualBoundingBoxAscent * mm];
}))"""
SERIOUS = {"serious", "critical"}


@pytest.fixture(scope="module")
def axe():
    try:
        import axe_playwright_python
    except ModuleNotFoundError:
        message = "the package axe-playwright-python is not installed"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(message)
    folder = os.path.dirname(axe_playwright_python.__file__)
    with open(f"{folder}/axe.min.js", encoding="utf-8") as script:
        return script.read()


@pytest.fixture(scope="module")
def tabs(browser, house):
    """A tab for each language, in which one page after the other is opened: what they share comes once."""
    found = {}
    for language in ("zh", "pseudo"):
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        context.add_cookies([{"name": "lang", "value": language, "url": house[1].url}])
        found[language] = context.new_page()
    yield found
    for page in found.values():
        page.context.close()


def open_at(browser, web, path, width=1280, height=800, **cookies):
    context = browser.new_context(viewport={"width": width, "height": height})
    context.add_cookies([{"name": name, "value": value, "url": web.url} for name, value in cookies.items()])
    return connected(context.new_page(), web.url + path)


def connected(page, url):
    seen = Seen(page, url)
    seen.wait_until("() => document.getElementById('connection').textContent !== '-'")
    return seen


@pytest.mark.parametrize("path", PATHS)
def test_every_page(shared, tabs, axe, path):
    """One page, opened once for each language, since a page takes a second of a core."""
    line, web = shared
    line.parts, line.alarms = lambda number: make_event(number, Verdict.REJECT), (ALARM,)
    for language in ("zh", "pseudo"):
        seen = connected(tabs[language], web.url + path)
        if path == "/":
            seen.page.wait_for_selector("#alarm-list button")
            seen.page.wait_for_selector("#reject-list button")
        for width, height in SIZES:
            seen.page.set_viewport_size({"width": width, "height": height})
            assert seen.page.evaluate(OVERFLOW) == [], (language, width)
            assert seen.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), (language, width)
        if language == "zh":
            check_targets(seen, path)
        else:
            check_access(seen, axe)
        assert all(url.startswith((web.url, "blob:")) for url in seen.asked), seen.asked
        # Of a picture that is lost the live page's list says so; and the last address is nowhere.
        assert path in ("/", "/nowhere") or seen.troubles == []


def check_targets(seen, path):
    """80 px where gloves tap, 48 px elsewhere, on a panel of 21.5 inches."""
    if path == "/":
        seen.page.click("#reject-list button")
    least = 80 if seen.page.evaluate("() => document.body.classList.contains('panel')") else 48
    found = seen.page.evaluate(TARGETS)
    assert len(found) > 2
    assert [target for target in found if min(target[1:]) < least - 0.5] == []


def check_access(seen, axe):
    """Nothing serious by day, and enough contrast by night."""
    seen.page.evaluate(axe)
    by_day = seen.page.evaluate("() => axe.run(document)")
    assert len(by_day["passes"]) > 8  # it did look
    seen.page.evaluate("() => { document.documentElement.dataset.theme = 'night'; }")
    by_night = seen.page.evaluate("() => axe.run(document, { runOnly: ['color-contrast'] })")
    for theme, found in (("day", by_day), ("night", by_night)):
        serious = [one for one in found["violations"] if one["impact"] in SERIOUS]
        assert [(one["id"], [node["target"] for node in one["nodes"]]) for one in serious] == [], theme


def test_buttons_of_the_live_page_stand_apart(browser, shared):
    line, web = shared
    line.alarms = (ALARM,)
    seen = open_at(browser, web, "/", 1920, 1080)
    seen.page.wait_for_selector("#alarm-list button")
    boxes = seen.page.evaluate(
        "() => [...document.querySelectorAll('#tools button, #actions button')].map((e) => e.getBoundingClientRect())"
        ".map((r) => [r.left, r.top, r.right, r.bottom])"
    )
    assert len(boxes) == 5
    for at, (left, top, right, bottom) in enumerate(boxes):
        for other in boxes[at + 1 :]:
            apart = max(other[0] - right, left - other[2], other[1] - bottom, top - other[3])
            assert apart >= 12, (boxes[at], other)  # 3 mm; 4 mm within a group
    seen.page.context.close()


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_words_are_read_from_where_people_stand(browser, shared, width, height):
    """ISO 9241-3 as the notes quote it: 16 arc minutes at least, 20 preferred; at 3 m that is 14 and 17.5 mm."""
    line, web = shared
    seen = open_at(browser, web, "/", width, height)
    mm = 21.5 * 25.4 / (width**2 + height**2) ** 0.5
    smallest = {}
    for verdict, word in [(Verdict.PASS, "PASS"), (Verdict.REJECT, "REJECT"), (Verdict.NOT_INSPECTED, "NOT INSPECTED")]:
        line.parts = lambda number, verdict=verdict: make_event(number + 99_000, verdict)
        seen.wait_for_word(word)
        smallest[word] = seen.page.evaluate(CAPITALS, mm)
    for state, word in [("Held", "HELD"), ("Aborted", "ABORTED"), ("Stopped", "LINE STOPPED")]:
        line.state = state
        seen.wait_for_word(word)
        smallest[word] = seen.page.evaluate(CAPITALS, mm)
    line.state, line.more = "Execute", {"camera_trouble": "gone"}
    seen.wait_for_word("NO CAMERA")
    smallest["NO CAMERA"] = seen.page.evaluate(CAPITALS, mm)
    print({word: {name: round(size, 1) for name, size in sizes.items()} for word, sizes in smallest.items()})
    for word, sizes in smallest.items():
        assert min(sizes["word"], sizes["yield"], sizes["rejected"]) >= 14.0, (word, sizes)
        assert sizes["detail"] >= 5.8, (word, sizes)
    seen.page.context.close()


# When the page has its first verdict, and when that part's picture was drawn; ms since the navigation began.
USABLE = """() => {
    const seen = (window.usable = {});
    const look = () => {
        const now = performance.now(), picture = document.getElementById("picture");
        if (document.body?.dataset.mode === "verdict") seen.verdict ??= now;
        if (picture?.width > 300 && !picture.classList.contains("empty")) seen.picture ??= now;
        if (!(seen.verdict && seen.picture)) requestAnimationFrame(look);
    };
    look();
}"""


LOADED = "() => performance.getEntriesByType('navigation')[0].loadEventEnd"


def cold(browser, url, ready):
    """Open a page as a panel that was never here; `ready` of it when it comes, and what came over the wire, in KB."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.add_init_script(f"({USABLE})()")
    devtools = context.new_cdp_session(page)
    devtools.send("Network.enable")
    devtools.send("Network.setCacheDisabled", {"cacheDisabled": True})
    kinds, sizes = {}, {}
    devtools.on("Network.responseReceived", lambda told: kinds.update({told["requestId"]: told["response"]["url"]}))
    devtools.on("Network.loadingFinished", lambda told: sizes.update({told["requestId"]: told["encodedDataLength"]}))
    page.goto(url)
    found = page.wait_for_function(ready, timeout=20_000).json_value()
    if "reject-list" in page.content():
        page.wait_for_selector("#reject-list button")
    pictures = sum(size for key, size in sizes.items() if "/images/" in kinds[key])
    rest = sum(sizes.values()) - pictures
    context.close()
    return found, rest / 1024, len(sizes)


def test_a_cold_live_page_is_usable_at_once_and_small_on_the_wire(browser, shared):
    """Against the smallest page of the same server, an icon, opened in turn: what the browser and the machine cost."""
    line, web = shared
    line.parts = lambda number: make_event(number, Verdict.REJECT if number % 3 == 0 else Verdict.PASS)
    took = {"verdict": [], "picture": [], "icon": []}
    for _ in range(3):
        found, _, _ = cold(browser, f"{web.url}/static/icon.svg", LOADED)
        took["icon"].append(found)
        usable, kb, answers = cold(
            browser, web.url, "() => window.usable.verdict && window.usable.picture && window.usable"
        )
        took["verdict"].append(usable["verdict"])
        took["picture"].append(usable["picture"])
        assert answers > 8
        assert kb <= 60
    ms = {name: statistics.median(times) for name, times in took.items()}
    print(f"cold live page: {ms}, {kb:.1f} KB without pictures in {answers} answers")
    usable = max(ms["verdict"], ms["picture"])
    # 1.5 s on a machine that is ours alone; beside others as many times an icon's as there.
    assert usable <= 1500 or usable <= 15 * ms["icon"]
