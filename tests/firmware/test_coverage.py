"""Every line of what decides and of what moves is run by the tests of the core."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.firmware.host import COVERAGE, compile_core

ROOT = Path(__file__).parents[2]
TESTS = ("test_core.py", "test_vectors.py", "test_firing.py")


@pytest.mark.skipif(bool(COVERAGE), reason="this is the inner run")
def test_every_line_of_parts_and_outputs_is_run(tmp_path: Path) -> None:
    compile_core(tmp_path, flags=("-O0", "--coverage"))
    environment = os.environ | {"FIRMWARE_COVERAGE": str(tmp_path), "PYTHONPATH": str(ROOT)}
    tests = [str(ROOT / "tests" / "firmware" / name) for name in TESTS]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    inner = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert inner.returncode == 0, inner.stdout[-3000:]
    missed = {name: lines for name in ("parts.c", "outputs.c") if (lines := not_run(tmp_path, name))}
    assert not missed, missed


def not_run(folder: Path, name: str) -> list[str]:
    """The lines of a file that gcov says were never run."""
    (data,) = folder.glob(f"*{name.removesuffix('.c')}.gcda")
    subprocess.run(["gcov", data.name], cwd=folder, capture_output=True, check=True)
    lines = (folder / f"{name}.gcov").read_text().splitlines()
    assert sum(bool(re.match(r"\s*\d+\*?:", line)) for line in lines) > 100
    return [line for line in lines if line.lstrip().startswith("#####")]
