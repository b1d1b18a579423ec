"""A new version of the running recipe is put in force on the screen: the line takes it between two parts, and no part
is lost to it; one that cannot be loaded is refused, and the old one goes on judging."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import httpx

from inspector.record.reader import Reader
from tests.test_command_line import SAMPLES, station
from tests.test_web_beside_line import Station


def _until(condition: Callable[[], bool], what: str, timeout_s: int = 60) -> None:
    for _ in range(10 * timeout_s):
        if condition():
            return
        threading.Event().wait(0.1)
    raise AssertionError(f"{what} did not come about in {timeout_s} s")


def test_a_version_is_taken_between_two_parts_of_a_running_line(tmp_path: Path) -> None:
    shutil.copy(SAMPLES / "recipe.toml", tmp_path / "recipe.toml")
    text = (tmp_path / "recipe.toml").read_text().replace("../models", str(SAMPLES.parent / "models"))
    (tmp_path / "recipe.toml").write_text(text)
    file = station(tmp_path, parts_per_minute="120")
    file.write_text(file.read_text().replace(str(SAMPLES / "recipe.toml"), "recipe.toml"))
    line = Station(tmp_path, file)
    try:
        token = (tmp_path / "token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=line.address.rstrip("/"), headers=headers, timeout=90) as web:
            _change(web, tmp_path)
    finally:
        line.process.terminate()
        line.process.wait(20)


def _change(web: httpx.Client, folder: Path) -> None:
    def status() -> dict[str, object]:
        return web.get("/api/v1/status").json()["status"] or {}

    _until(lambda: status().get("state") == "Execute", "the line")
    _until(lambda: int(status()["counts"]["records"]) >= 5, "five parts")  # type: ignore[index]
    before = status()["recipe_rev"]
    form = {"base": 1, "seen": 1, "why": "all may pass", "threshold": "1000"}
    assert web.post("/recipes/bracket/edit", data=form).status_code == 303
    answer = web.post("/recipes/bracket/versions/2/activate")
    assert answer.headers["location"] == "/recipes/bracket?said=running", answer.text[-2000:]
    after = status()["recipe_rev"]
    assert after != before
    changed_at = int(status()["counts"]["records"])  # type: ignore[index]
    _until(lambda: int(status()["counts"]["records"]) >= changed_at + 8, "eight more parts")  # type: ignore[index]
    assert status()["state"] == "Execute"
    bad = {"base": 2, "seen": 2, "why": "no such model", "model": "nowhere/r1"}
    assert web.post("/recipes/bracket/edit", data=bad).status_code == 303
    refused = web.post("/recipes/bracket/versions/3/activate")
    assert refused.status_code == 409
    assert "nowhere/r1" in refused.text
    assert status()["recipe_rev"] == after
    assert "threshold = 1000" in (folder / "recipe.toml").read_text()
    _judge_records(folder, str(before), str(after))


def _judge_records(folder: Path, before: str, after: str) -> None:
    reader = Reader.open(f"sqlite:///{folder / 'records.sqlite'}")
    records = [stored.record for stored in reversed(reader.records(limit=200))]
    reader.close()
    revisions = [record.inspection.recipe_rev for record in records if record.inspection.recipe_rev]
    assert set(revisions) == {before, after}
    assert revisions == sorted(revisions, key=[before, after].index)  # the old, then the new, never back
    codes = {reason.code for record in records for reason in record.inspection.reasons}
    assert "recipe_changed" not in codes
    slacks = [record.slack_ms for record in records if record.slack_ms is not None]
    print(f"{len(records)} parts, {len(slacks)} in time, least slack {min(slacks):.0f} ms")
