"""The import rules, the sizes and the words of the house, read from the source."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("inspector", "firmware_bridge", "calibration")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))

# Lower numbers know nothing of higher ones; the same number may not import itself across names, but for LEVEL_6.
LEVELS = {
    "types": 1,
    "errors": 1,
    "clock": 1,
    "key_errors": 1,
    "logfile": 1,
    "config": 2,
    "lens": 2,
    "gauge_study": 2,
    "spc": 2,
    "agreement": 2,
    "calibration_set": 4,
    "calibrated": 3,
    "recipe": 3,
    "recipe_changes": 2,
    "recipe_book": 4,
    "uploads": 2,
    "backup": 6,
    "teaching_sets": 6,
    "state": 2,
    "labels": 2,
    "outputs": 3,
    "simulation": 3,
    "jobs": 4,
    "link": 4,
    "camera": 5,
    "vision": 5,
    "inference": 5,
    "decision": 5,
    "tracker": 5,
    "record": 5,
    "teach": 6,
    "people": 6,
    "line": 7,
    "sender": 4,
    "passage": 7,
    "web": 7,
    "alarms": 2,
    "tally": 7,
    "drift_alarms": 8,
    "metrics": 2,
    "threads": 7,
    "outcomes": 5,
    "plc_results": 4,
    "controllers": 8,
    "plc_jobs": 8,
    "plc_monitor": 8,
    "plc_check": 8,
    "plc_side": 8,
    "upkeep": 8,
    "plc_controller": 8,
    "plc_wiring": 8,
    "simulated_plc": 8,
    "connecting": 9,
    "telling": 7,
    "set_up": 8,
    "exposure": 5,
    "station": 8,
    "fast": 8,
    "running": 8,
    "recipe_change": 8,
    "evaluate": 8,
    "evaluate_report": 8,
    "supervisor": 8,
    "runs": 9,
    "checkup": 9,
    "work": 9,
    "benchmark": 9,
}
MAY_SHARE = {8, 9}
WEB_MAY = {"types", "errors", "clock", "config", "recipe", "link", "record", "people", "web", "spc", "agreement"}
WEB_MAY |= {"alarms", "logfile", "jobs", "recipe_book", "recipe_changes", "uploads", "teaching_sets", "calibrated"}
WEB_MAY |= {"outputs", "exposure"}
READ_SIDE = {"reader", "rows", "asked", "search", "sums", "quarters", "pictures", "nearest"}
ONLY_IN = {
    "cv2": {
        "inspector.camera",
        "inspector.vision",
        "inspector.teach",
        "inspector.record.images",
        "inspector.record.pictures",
        "inspector.web.live",
        "inspector.web.thumbs",
        "inspector.web.pictures",
    },
    "onnxruntime": {"inspector.inference"},
    "serial": {"firmware_bridge.port", "firmware_bridge.protocol_sim"},
    "fastapi": {"inspector.web"},
    "sqlalchemy": {"inspector.record", "inspector.people"},
    "time": {"inspector.clock"},
    "random": set(),
}
MAX_FUNCTION = 60
MAX_FILE = 300
FORBIDDEN_NAMES = {"utils", "helpers", "common", "manager", "service"}


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def part_of(module: str) -> str:
    return module.split(".")[1] if module.startswith("inspector.") else ""


def level_of(module: str) -> int:
    name = part_of(module)
    return 10 if name.startswith(("verbs_", "__main__")) else LEVELS.get(name, 0)


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_imports_go_one_way(path: Path) -> None:
    module = module_of(path)
    for imported in imports_of(path):
        top = imported.split(".")[0]
        if module.startswith("firmware_bridge"):
            assert top not in ("inspector", "calibration"), f"{module} imports {imported}"
        if module.startswith("inspector"):
            assert top != "calibration", f"{module} imports {imported}"
        if top != "inspector" or not module.startswith("inspector.") or part_of(module) == part_of(imported):
            continue
        mine, other = level_of(module), level_of(imported)
        # `from inspector import station` names its module in the last step.
        assert other, f"{module} imports {imported}, which has no level"
        assert other < mine or (other == mine and mine in MAY_SHARE | {10}), f"{module} imports {imported}"


@pytest.mark.parametrize("path", sorted((ROOT / "inspector/web").rglob("*.py")), ids=module_of)
def test_the_web_knows_only_the_read_side(path: Path) -> None:
    for imported in imports_of(path):
        if imported.startswith("inspector."):
            assert part_of(imported) in WEB_MAY, f"{module_of(path)} imports {imported}"
            if part_of(imported) == "record":
                assert imported.split(".")[2] in READ_SIDE, f"{module_of(path)} imports {imported}"


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_libraries_stay_where_they_belong(path: Path) -> None:
    module = module_of(path)
    for imported in imports_of(path):
        homes = ONLY_IN.get(imported.split(".")[0])
        if homes is not None and not module.startswith("calibration"):
            assert any(module == home or module.startswith(home + ".") for home in homes), f"{module}: {imported}"


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_sizes(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= MAX_FILE, f"{path.name} has {len(text.splitlines())} lines"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
            assert node.end_lineno - node.lineno < MAX_FUNCTION, f"{path.name}: {node.name}"


def test_typical_sizes() -> None:
    lengths = sorted(
        node.end_lineno - node.lineno + 1
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno
    )
    assert lengths[len(lengths) // 2] <= 10
    assert lengths[int(len(lengths) * 0.9)] <= 28


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_every_module_says_what_it_is(path: Path) -> None:
    words = ast.get_docstring(ast.parse(path.read_text())) or ""
    assert words, f"{path} has no docstring"
    if path.name != "__init__.py":
        assert "What it is" in words, path
        assert "hat it is not" in words.replace("\n", " "), path


def test_no_module_is_called_anything() -> None:
    assert not [path for path in FILES if path.stem in FORBIDDEN_NAMES]


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


# Put together here, so that this file itself does not name them.
HOSTS = re.compile(
    "|".join(("py" + r"pi\.org", "pythonhost" + "ed", "npm" + r"js\.(org|com)", "deb" + r"\.debian\.org"))
)
HERE = re.compile("/wo" + r"rk/(main|shared|fw)\b")


def test_no_registry_and_no_path_of_a_machine_is_named() -> None:
    for path in tracked():
        if path.suffix in (".png", ".jpg", ".onnx", ".npz"):
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        assert not HOSTS.search(text), path
        assert not HERE.search(text), path
