"""The recipe editor in a real browser: polygons by mouse and finger, large handles, undo, and what is saved."""

import json

import pytest

from inspector.clock import SystemClock
from inspector.recipe_book import RecipeBook

from .fakes import FakeLine, WebProcess, make_config
from .test_recipe_pages import teach_nothing


@pytest.fixture
def station(tmp_path):
    config = make_config(tmp_path / "station")
    teach_nothing(config.folder)
    line = FakeLine(tmp_path / "line.sock")
    web = WebProcess(config.folder, tmp_path / "line.sock")
    yield config, web
    web.close()
    line.close()


class Editor:
    """A page with the editor, and places on its picture in fractions."""

    def __init__(self, browser, url, **more):
        self.context = browser.new_context(viewport={"width": 1280, "height": 800}, **more)
        self.page, self.troubles = self.context.new_page(), []
        self.page.on("console", lambda m: self.troubles.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.goto(f"{url}/recipes/bracket/edit?version=1")
        self.page.wait_for_function("() => document.querySelector('image-editor img')?.naturalWidth === 40")
        self.page.evaluate("() => document.querySelector('image-editor svg').scrollIntoView({ block: 'center' })")

    def at(self, x, y):
        """Where a fraction of the picture is on the screen."""
        box = self.page.locator("image-editor img").bounding_box()
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    def tool(self, name):
        self.page.click(f"[data-tool={name}]")

    def shapes(self):
        return json.loads(self.page.input_value("#shapes"))

    def drag(self, start, end):
        self.page.mouse.move(*self.at(*start))
        self.page.mouse.down()
        self.page.mouse.move(*self.at(*end), steps=4)
        self.page.mouse.up()


def near(polygon, wanted):
    assert len(polygon) == len(wanted), polygon
    assert (
        max(
            abs(a - b)
            for corner, place in zip(polygon, wanted, strict=True)
            for a, b in zip(corner, place, strict=True)
        )
        < 0.01
    )
    return True


def touch(session, kind, *points):
    session.send(
        "Input.dispatchTouchEvent",
        {"type": kind, "touchPoints": [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(points)]},
    )


def test_a_rectangle_and_a_polygon_by_mouse_are_bent_undone_and_saved(browser, station):
    config, web = station
    editor = Editor(browser, web.url)
    page = editor.page
    editor.tool("rectangle")
    editor.drag((0.2, 0.2), (0.6, 0.5))
    assert near(editor.shapes()[0]["polygon"], [[0.2, 0.2], [0.6, 0.2], [0.6, 0.5], [0.2, 0.5]])
    handles = page.locator("image-editor circle.reach")
    assert handles.count() == 8
    assert all(
        round(min(box["width"], box["height"]), 2) >= 48 for box in (handles.nth(n).bounding_box() for n in range(8))
    )
    editor.drag((0.6, 0.5), (0.8, 0.7))  # a corner
    editor.drag((0.2, 0.35), (0.1, 0.35))  # the middle of an edge: a new corner
    bent = [[0.2, 0.2], [0.6, 0.2], [0.8, 0.7], [0.2, 0.5], [0.1, 0.35]]
    assert near(editor.shapes()[0]["polygon"], bent)
    editor.drag((0.4, 0.4), (0.5, 0.45))  # all of it
    assert near(editor.shapes()[0]["polygon"], [[x + 0.1, y + 0.05] for x, y in bent])
    editor.tool("undo")
    assert near(editor.shapes()[0]["polygon"], bent)
    editor.tool("polygon")
    for place in ((0.7, 0.1), (0.9, 0.1), (0.9, 0.3), (0.7, 0.1)):
        page.mouse.click(*editor.at(*place))
    assert near(editor.shapes()[1]["polygon"], [[0.7, 0.1], [0.9, 0.1], [0.9, 0.3]])
    page.keyboard.press("ArrowLeft")
    assert near(editor.shapes()[1]["polygon"], [[0.695, 0.1], [0.895, 0.1], [0.895, 0.3]])
    page.locator("#regions li").nth(1).locator("select").select_option("zone")
    limit = page.locator("#regions li").nth(1).locator("input").nth(1)
    limit.fill("2.5")
    limit.press("Tab")
    page.fill("#why", "drawn by mouse")
    page.click("button.main")
    page.wait_for_url("**/recipes/bracket?said=saved")
    tables = RecipeBook(config.folder, SystemClock()).tables("bracket", 2)
    assert near(tables["ignore_region"][0]["polygon"], bent)
    assert (tables["zone"][0]["threshold"], tables["zone"][0]["name"]) == (2.5, "region 2")
    assert editor.troubles == []
    editor.context.close()


def test_by_finger_a_polygon_is_tapped_a_corner_dragged_and_two_fingers_zoom(browser, station):
    _, web = station
    editor = Editor(browser, web.url, has_touch=True)
    page, session = editor.page, editor.context.new_cdp_session(editor.page)
    editor.tool("polygon")
    for place in ((0.2, 0.2), (0.6, 0.2), (0.6, 0.6), (0.2, 0.2)):
        page.touchscreen.tap(*editor.at(*place))
    assert near(editor.shapes()[0]["polygon"], [[0.2, 0.2], [0.6, 0.2], [0.6, 0.6]])
    x, y = editor.at(0.6, 0.6)
    # Twenty pixels beside the corner: a gloved finger.
    touch(session, "touchStart", (x + 14, y + 14))
    for share in (0.5, 1):
        touch(
            session,
            "touchMove",
            tuple(a + (b - a) * share for a, b in zip((x + 14, y + 14), editor.at(0.8, 0.8), strict=True)),
        )
    touch(session, "touchEnd")
    assert near(editor.shapes()[0]["polygon"], [[0.2, 0.2], [0.6, 0.2], [0.8, 0.8]])
    before = page.locator("image-editor img").bounding_box()["width"]
    shapes = editor.shapes()
    (ax, ay), (bx, by) = editor.at(0.4, 0.5), editor.at(0.6, 0.5)
    touch(session, "touchStart", (ax, ay), (bx, by))
    touch(session, "touchMove", (ax - 50, ay), (bx + 50, by))
    touch(session, "touchEnd")
    assert page.locator("image-editor img").bounding_box()["width"] > 1.2 * before
    assert editor.shapes() == shapes  # zooming changed nothing
    editor.tool("undo")
    assert near(editor.shapes()[0]["polygon"], [[0.2, 0.2], [0.6, 0.2], [0.6, 0.6]])
    editor.tool("delete")
    assert editor.shapes() == []
    assert editor.troubles == []
    editor.context.close()
