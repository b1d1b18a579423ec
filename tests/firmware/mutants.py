"""Small mistakes in parts.c and outputs.c, one at a time: which of them do the tests of the core not notice?

What it is: run by `make soak` (test_mutants.py). A mutant that is not noticed is listed in mutants.txt with why. What
it is not: a tool for other files.
"""

from __future__ import annotations

import importlib
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import Phase, settings

from tests.firmware import host
from tests.firmware.host import CORE, FLAGS, FOLDER

ROOT = Path(__file__).parents[2]
TESTS = ("test_details.py", "test_vectors.py", "test_firing.py", "test_core.py")
BYTES_ONLY = "(test_both_frame or test_of_damaged or test_the_header or test_the_page)"
COMPILE = ["gcc", *FLAGS, "-O1", f"-I{FOLDER}", "-c"]
SWAPS = (
    (r" < ", " <= "), (r" <= ", " < "), (r" > ", " >= "), (r" >= ", " > "), (r" == ", " != "), (r" != ", " == "),
    (r" && ", " || "), (r" \|\| ", " && "), (r"\btrue\b", "false"), (r"\bfalse\b", "true"),
    (r" \+ ", " - "), (r" - ", " + "), (r"\+\+", "--"), (r"if \(!", "if ("),
)  # fmt: skip


def mutants(name: str) -> Iterator[tuple[str, str]]:
    """(id, text of the whole file) for each mistake: an operator swapped, or a statement left out."""
    lines = (FOLDER / name).read_text().splitlines(keepends=True)
    function = ""
    for at, line in enumerate(lines):
        if begin := re.match(r"\w.*?(\w+)\(.*\{", line):
            function = begin[1]
        if not line.startswith("    ") or line.lstrip().startswith(("/*", "*", "for ", "uint8_t i")):
            continue
        for find, put in SWAPS:
            for number, match in enumerate(re.finditer(find, line)):
                changed = line[: match.start()] + put + line[match.end() :]
                yield (
                    f"{name}, {function}: {line.strip()}  =>  {put.strip()} ({number})",
                    "".join([*lines[:at], changed, *lines[at + 1 :]]),
                )
        if re.fullmatch(r"\s+[\w>\-.\[\]()*& ,|~+]+( =|\+\+|\(| \|=| &=).*;\n", line) and "return" not in line:
            yield (
                f"{name}, {function}: {line.strip()}  =>  left out",
                "".join([*lines[:at], "    ;\n", *lines[at + 1 :]]),
            )


def survivors(name: str) -> list[str]:
    """The mutants of this file that nobody notices; from a process of its own, where the tests are loaded once."""
    environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.firmware.mutants", name]
    done = subprocess.run(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.splitlines()


def main(name: str) -> None:
    """Print what survives, one id a line; stderr counts."""
    # A failing example is as good as the smallest one.
    settings.register_profile("mutants", phases=[Phase.explicit, Phase.generate], derandomize=True, database=None)
    settings.load_profile("mutants")
    for test in TESTS:
        importlib.import_module(f"tests.firmware.{test.removesuffix('.py')}")
    with tempfile.TemporaryDirectory() as folder:
        objects = compile_all(Path(folder))
        assert not noticed(name, (FOLDER / name).read_text(), Path(folder), objects), "the tests fail without a mistake"
        for number, (mutant, text) in enumerate(mutants(name)):
            if not noticed(name, text, Path(folder), objects):
                print(mutant, flush=True)
            print(f"\r{name}: {number}", end="", file=sys.stderr, flush=True)


def compile_all(folder: Path) -> dict[str, Path]:
    """Each file of the core as an object, by its name."""
    objects = {file: folder / f"{file}.o" for file in (*CORE, "hal_host.c")}
    for file, target in objects.items():
        subprocess.run([*COMPILE, "-o", target, FOLDER / file], check=True)
    return objects


def noticed(name: str, text: str, folder: Path, objects: dict[str, Path]) -> bool:
    """Whether the tests fail or hang on this text of the file, or it does not even compile."""
    source, target, core = folder / name, folder / "mutant.o", folder / "mutant.so"
    source.write_text(text)
    if subprocess.run([*COMPILE, "-o", target, source], stderr=subprocess.DEVNULL, check=False).returncode:
        return True
    parts = [target if file == name else made for file, made in objects.items()]
    subprocess.run(["gcc", "-shared", "-o", core, *parts], check=True)
    child = os.fork()
    if child == 0:
        try:
            os._exit(run_tests(core))
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1] != 0


def run_tests(core: Path) -> int:
    """The tests on this library; a mutant that never ends is ended by the clock."""
    signal.alarm(60)
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    host.library.cache_clear()
    host.compile_core = lambda *_: core
    options = ["-qx", "-p", "no:cacheprovider", "-o", "addopts=", "-k", f"not Twin and not {BYTES_ONLY}"]
    return int(pytest.main([*options, *(str(ROOT / "tests" / "firmware" / test) for test in TESTS)]))


if __name__ == "__main__":
    main(sys.argv[1])
