"""The pages of inputs and outputs in a real browser: live values, and an output that only a long hold fires."""

import signal

import pytest

from firmware_bridge.plc.signals import Control

from .fakes import WebProcess, fill_store, make_config, until
from .plc_line import PlcLine
from .seen import OVERFLOW, Seen

GREY = "getComputedStyle(document.querySelector('.signals')).opacity < 0.5"
SHORT_MS = 900
LONG_MS = 2600


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    folder = tmp_path_factory.mktemp("io")
    config = make_config(folder / "station")
    fill_store(config)
    line = PlcLine(folder / "line.sock")
    web = WebProcess(config.folder, folder / "line.sock", more='[plc]\nwiring = "triggers"\n')
    yield line, web
    web.close()
    line.close()


@pytest.fixture
def page(browser, house):
    line, web = house
    line.rest()
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    seen = Seen(context.new_page(), web.url + "/io")
    seen.wait_until("() => document.querySelectorAll('#io-status tr').length === 16")
    yield seen
    assert seen.troubles == []
    context.close()


def _cell(signal, place):
    return f"document.querySelector('tr[data-name={signal}]').children[{place}].textContent"


def test_values_are_live_filtered_and_frozen(page, house):
    line, _ = house
    line.run()
    page.wait_until(f"() => {_cell('TRIGGER_ENABLE', 2)} === '1'")
    page.wait_until("() => document.querySelector('path[data-signal=TRIGGER]') !== null")
    # Up and down within the span: two steps. An edge before the span is no step of it.
    steps = "() => document.querySelector('path[data-signal=TRIGGER]').getAttribute('d').split('V').length - 1 === "
    page.page.click("[data-span='600']")
    page.wait_until(f"{steps}2")
    page.page.click("[data-span='2']")
    page.wait_until(f"{steps}0")
    page.wait_until("() => document.getElementById('link-clock_error_us').textContent === '-41'")
    page.page.fill("#io-filter", "trigger_en")
    page.wait_until("() => [...document.querySelectorAll('#io-control tr')].filter((row) => !row.hidden).length === 1")
    page.page.fill("#io-filter", "")
    page.page.click("#io-freeze")
    edges = page.page.evaluate(_cell("TRIGGER_ENABLE", 4))
    line.control(Control(0))
    page.page.wait_for_timeout(700)
    assert page.page.evaluate(_cell("TRIGGER_ENABLE", 4)) == edges
    assert page.text("io-age") == "frozen"
    page.page.click("#io-freeze")
    page.wait_until(f"() => {_cell('TRIGGER_ENABLE', 4)} === '{int(edges) + 1}'")
    for size in ((1280, 800), (1920, 1080)):
        page.page.set_viewport_size(dict(zip(("width", "height"), size, strict=True)))
        assert page.page.evaluate(OVERFLOW) == []


def test_only_a_hold_of_two_seconds_in_maintenance_fires(page, house):
    line, _ = house
    button, mouse = page.page.locator("#io-outputs button"), page.page.mouse
    assert button.is_disabled()
    page.page.click("#maintenance")
    page.wait_until("() => !document.querySelector('#io-outputs button').disabled")
    box = button.bounding_box()
    at = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

    def press(for_ms, leave=False):
        mouse.move(*at)
        mouse.down()
        page.page.wait_for_timeout(for_ms)
        if leave:
            mouse.move(at[0], at[1] - 200)
            page.page.wait_for_timeout(LONG_MS)
        mouse.up()
        page.page.wait_for_timeout(400)

    press(SHORT_MS)
    press(SHORT_MS)
    press(SHORT_MS, leave=True)
    button.press(" ")
    page.page.wait_for_timeout(400)
    assert line.fired == []
    press(LONG_MS)
    until(lambda: line.fired == [0], "one pulse")
    button.focus()
    page.page.keyboard.down(" ")
    page.page.wait_for_timeout(LONG_MS)
    page.page.keyboard.up(" ")
    until(lambda: line.fired == [0, 0], "a pulse by key")
    page.wait_until("() => document.querySelector('path[data-signal=FIRE_CAMERA]') !== null")


def test_a_signal_is_forced_by_a_long_hold_and_shown_as_such(page):
    page.page.click("#maintenance")
    page.wait_until("() => !document.querySelector('#force').disabled")
    page.page.select_option("#force-what", label="RESULTS_VALID = 1")
    button = page.page.locator("#force")
    button.focus()
    page.page.keyboard.press(" ")
    page.page.keyboard.down(" ")
    page.page.wait_for_timeout(LONG_MS)
    page.page.keyboard.up(" ")
    page.wait_until("() => document.getElementById('forced').textContent === 'RESULTS_VALID = 1'")
    page.wait_until(f"() => {_cell('RESULTS_VALID', 2)} === '1'")
    assert page.page.evaluate(_cell("MAINTENANCE", 2)) == "1"
    page.page.click("#force-end")
    page.wait_until(f"() => {_cell('RESULTS_VALID', 2)} === '0'")


def test_maintenance_is_seen_on_every_page_until_it_ends(page, house):
    line, web = house
    page.page.click("#maintenance")
    for path in ("/io", "/", "/defects", "/health", "/more"):
        page.page.goto(web.url + path)
        page.wait_until("() => document.body.hasAttribute('data-test')")
        assert "TEST: outputs are forced by hand. It ends by itself in" in page.text("notice"), path
        assert page.page.evaluate("getComputedStyle(document.body, '::after').borderTopWidth") == "12px"
    line.control(Control.LINE_RUNNING)  # the PLC wants to run
    page.wait_until("() => !document.body.hasAttribute('data-test')")


def test_a_web_process_that_hangs_leaves_nothing_as_of_now(page, house):
    _, web = house
    assert not page.page.evaluate(GREY)
    assert page.troubles == []
    web.signal(signal.SIGSTOP)
    try:
        page.wait_until(f"() => {GREY}")
        assert page.text("io-age") == "not of now"
        assert page.page.locator("#maintenance").is_disabled()
    finally:
        web.signal(signal.SIGCONT)
    page.wait_until(f"() => !({GREY})")
    page.troubles.clear()  # while it hung, and until the line is heard again, requests failed
