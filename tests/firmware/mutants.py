"""Small mistakes in parts.c and outputs.c, one at a time: which of them do the tests of the core not notice?

What it is: run by `make soak` (test_mutants.py). A mutant that is not noticed is listed in mutants.txt with why. What
it is not: a tool for other files.

Only the file with the mistake is compiled, and the tests run in a fork of a process that has imported them all: a
mutant costs a third of a second and the tests up to the first that fails. One whose machine code is that of the file as
it is cannot be noticed by anybody, and need not be listed.
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import Phase, settings

from tests.firmware.host import CORE, FLAGS, FOLDER

HERE = Path(__file__).parent
# Those that notice most come first. The twin is not what is mutated, and framing and the pages are other files.
TESTS = ("test_vectors.py", "test_firing.py", "test_core.py")
CHOSEN = "not Twin and not frame and not same_of and not damaged_bytes and not page and not header"
CPU_S = 30
SWAPS = (
    (r" < ", " <= "), (r" <= ", " < "), (r" > ", " >= "), (r" >= ", " > "), (r" == ", " != "), (r" != ", " == "),
    (r" && ", " || "), (r" \|\| ", " && "), (r"\btrue\b", "false"), (r"\bfalse\b", "true"),
    (r" \+ ", " - "), (r" - ", " + "), (r"\+\+", "--"), (r"if \(!", "if ("),
)  # fmt: skip


def mutants(name: str) -> Iterator[tuple[str, str]]:
    """(id, text of the whole file) for each mistake: an operator swapped, or a statement left out."""
    lines = (FOLDER / name).read_text().splitlines(keepends=True)
    before: Counter[str] = Counter()
    for at, line in enumerate(lines):
        if not line.startswith("    ") or line.lstrip().startswith(("/*", "*", "for ", "uint8_t i")):
            continue
        code = line.strip()
        again = f" [{before[code]}]" if before[code] else ""
        before[code] += 1
        for what, changed in mistakes(line):
            yield f"{name}: {code}{again}  =>  {what}", "".join([*lines[:at], changed, *lines[at + 1 :]])


def mistakes(line: str) -> Iterator[tuple[str, str]]:
    """What is wrong, and the line with it."""
    for find, put in SWAPS:
        for number, match in enumerate(re.finditer(find, line)):
            yield f"{put.strip()} ({number})", line[: match.start()] + put + line[match.end() :]
    if re.fullmatch(r"\s+[\w>\-.\[\]()*& ,|~+]+( =|\+\+|\(| \|=| &=).*;\n", line) and "return" not in line:
        yield "left out", "    ;\n"


class Trials:
    """Builds the core with one file replaced and runs the tests on it; `folder` holds what is built."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._objects: dict[str, Path] = {}
        for name in (*CORE, "hal_host.c"):
            assert self._compile((FOLDER / name).read_text()), name
            self._objects[name] = (folder / "new.o").rename(folder / f"{name}.o")
        # No two runs differ, nothing is remembered from one mutant to the next, and no failure is made smaller.
        phases = (Phase.explicit, Phase.generate)
        settings.register_profile("mutants", derandomize=True, database=None, phases=phases)
        settings.load_profile("mutants")
        pytest.main(["--collect-only", "-qq", *self._arguments()])

    def outcome(self, name: str, text: str) -> str:
        """`noticed`, `survived`, or `same`: its machine code is that of the file as it is."""
        if not self._compile(text):
            return "noticed"
        new = self._folder / "new.o"
        if new.read_bytes() == self._objects[name].read_bytes():
            return "same"
        objects = [new if other == name else path for other, path in self._objects.items()]
        library = self._folder / "core.so"
        subprocess.run(["gcc", "-shared", "-o", library, *objects], check=True)
        return "survived" if self._tests_pass(library) else "noticed"

    def passes(self) -> bool:
        """Whether the tests pass on the core as it is."""
        library = self._folder / "core.so"
        subprocess.run(["gcc", "-shared", "-o", library, *self._objects.values()], check=True)
        return self._tests_pass(library)

    @staticmethod
    def _arguments() -> list[str]:
        files = [str(HERE / name) for name in TESTS]
        return ["-x", "-p", "no:cacheprovider", "-p", "no:rerunfailures", "-o", "addopts=", "-k", CHOSEN, *files]

    def _compile(self, text: str) -> bool:
        # Always under one name, since the name is written into the object.
        source = self._folder / "mutant.c"
        source.write_text(text)
        flags = [*FLAGS, "-O2", "-Wno-error", "-w", f"-I{FOLDER}"]
        done = subprocess.run(
            ["gcc", *flags, "-c", "-o", self._folder / "new.o", source], capture_output=True, check=False
        )
        return done.returncode == 0

    def _tests_pass(self, library: Path) -> bool:
        """In a fork: what a mutant does to memory, or an endless loop, ends with it."""
        child = os.fork()
        if child == 0:
            silence = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silence, 1)
            os.dup2(silence, 2)
            resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
            os.environ["FIRMWARE_LIBRARY"] = str(library)
            os._exit(int(pytest.main(["-qq", *self._arguments()])))
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
