"""Small mistakes in parts.c and outputs.c, one at a time: which of them do the tests of the core not notice?

What it is: run by `make soak` (test_mutants.py). A mutant that is not noticed is listed in mutants.txt with why. What
it is not: a tool for other files.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.firmware.host import FOLDER

ROOT = Path(__file__).parents[2]
TESTS = ("test_core.py", "test_vectors.py", "test_firing.py")
SWAPS = (
    (r" < ", " <= "), (r" <= ", " < "), (r" > ", " >= "), (r" >= ", " > "), (r" == ", " != "), (r" != ", " == "),
    (r" && ", " || "), (r" \|\| ", " && "), (r"\btrue\b", "false"), (r"\bfalse\b", "true"),
    (r" \+ ", " - "), (r" - ", " + "), (r"\+\+", "--"), (r"if \(!", "if ("),
)  # fmt: skip


def mutants(name: str) -> Iterator[tuple[str, str]]:
    """(id, text of the whole file) for each mistake: an operator swapped, or a statement left out."""
    lines = (FOLDER / name).read_text().splitlines(keepends=True)
    for at, line in enumerate(lines):
        if not line.startswith("    ") or line.lstrip().startswith(("/*", "*", "for ", "uint8_t i")):
            continue
        for find, put in SWAPS:
            for number, match in enumerate(re.finditer(find, line)):
                changed = line[: match.start()] + put + line[match.end() :]
                yield (
                    f"{name}: {line.strip()}  =>  {put.strip()} ({number})",
                    "".join([*lines[:at], changed, *lines[at + 1 :]]),
                )
        if re.fullmatch(r"\s+[\w>\-.\[\]()*& ,|~+]+( =|\+\+|\(| \|=| &=).*;\n", line) and "return" not in line:
            yield f"{name}: {line.strip()}  =>  left out", "".join([*lines[:at], "    ;\n", *lines[at + 1 :]])


def noticed(name: str, text: str, folder: Path) -> bool:
    """Whether the tests fail on this text of the file, or it does not even compile."""
    sources = folder / "sources"
    shutil.rmtree(sources, ignore_errors=True)
    shutil.copytree(FOLDER, sources)
    (sources / name).write_text(text)
    environment = os.environ | {"FIRMWARE_SOURCES": str(sources), "PYTHONPATH": str(ROOT)}
    tests = [str(ROOT / "tests" / "firmware" / test) for test in TESTS]
    command = [sys.executable, "-m", "pytest", "-qx", "-p", "no:cacheprovider", *tests]
    try:
        return (
            subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, timeout=60, check=False).returncode
            != 0
        )
    except subprocess.TimeoutExpired:
        return True
