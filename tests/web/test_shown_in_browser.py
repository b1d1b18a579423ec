"""What a real browser makes of names with markup, which are nothing but text, and of codes, which are words."""

import contextlib
from dataclasses import replace

from firmware_bridge.codes import Fault, Mode
from inspector.clock import SystemClock
from inspector.record.reader import store_url
from inspector.record.store import Store
from inspector.types import Defect, Verdict
from inspector.web import menu
from inspector.web.codes import FAULTS, MODES
from inspector.web.words import Words

from .fakes import ALARM, make_event, make_record
from .seen import Seen
from .test_security import EVIL


def test_names_labels_and_serials_with_markup_are_shown_as_they_are_and_do_nothing(browser, station):
    line, web = station
    store = line.server.path.parent / "station"
    inspection = make_record(50, Verdict.REJECT).inspection
    defect = Defect(label=EVIL, score=2.0, threshold=1.0, box_px=(1, 2, 30, 40))
    evil = replace(
        make_record(50, Verdict.REJECT),
        inspection=replace(inspection, defects=(defect,), serial=EVIL, recipe_id=EVIL, part_id=(1 << 32) | 50),
    )
    with contextlib.closing(Store.open(store_url("data/records.sqlite", store), SystemClock())) as records:
        records.write([evil])
    (store / "evil.toml").write_text(f"id = 'evil'\nmodel = 'm'\ndescription = '''{EVIL}'''\n")
    line.parts = lambda number: make_event(number, Verdict.REJECT, defects=(defect,))
    line.alarms = (replace(ALARM, text=EVIL, advice=EVIL),)
    line.more = {"camera_trouble": EVIL, "station": EVIL, "recipe_id": EVIL}
    context = browser.new_context()
    page = context.new_page()
    for path in [one.path for one in menu.MENU]:
        seen = Seen(page, web.url + path)
        seen.wait_until("() => document.getElementById('connection').textContent === 'connected'")
        if path == "/":
            seen.page.wait_for_selector("#reject-list button")
            seen.page.click("#reject-list button")
            seen.page.wait_for_selector("#alarm-list button")
            assert EVIL in seen.text("alarm-list")
        assert seen.page.evaluate("() => [window.hacked, document.querySelectorAll('[onerror], [src=x]').length]") == [
            None,
            0,
        ], path
    context.close()


def test_the_live_values_say_the_same(browser, shared):
    line, web = shared
    words = Words("zh")
    context = browser.new_context()
    context.add_cookies([{"name": "lang", "value": "zh", "url": web.url}])
    seen = Seen(context.new_page(), f"{web.url}/io")
    for mode, fault in ((Mode.RUN, Fault.NONE), (Mode.SHUT_DOWN, Fault.BIN_FULL)):
        line.more = {"link": {"linked": True, "mode": int(mode), "fault": int(fault), "parts": []}}
        seen.wait_until(f"() => document.getElementById('link-mode').textContent === {words(MODES[mode])!r}")
        assert (seen.text("link-fault"), seen.text("link-linked")) == (words(FAULTS[fault]), "是")
    assert seen.troubles == []
    context.close()
