"""Each small mistake in parts.c and outputs.c is noticed by the tests of the core, but for those that are listed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.firmware.mutants import mutants, survivors

KNOWN = Path(__file__).parent / "mutants.txt"


def known() -> dict[str, str]:
    """The listed mutants and why nobody notices them: two lines each."""
    lines = [line for line in KNOWN.read_text().splitlines() if line and not line.startswith("#")]
    return dict(zip(lines[::2], lines[1::2], strict=True))


def test_the_list_names_mutants_that_exist() -> None:
    existing = {name for file in ("parts.c", "outputs.c") for name, _ in mutants(file)}
    assert len(existing) > 200
    assert set(known()) <= existing
    assert all(why.startswith("    ") for why in known().values())


@pytest.mark.soak
@pytest.mark.parametrize("file", ["parts.c", "outputs.c"])
def test_every_mutant_is_noticed_or_listed(file: str) -> None:
    found = set(survivors(file))
    assert sorted(found - set(known())) == []
    assert sorted(name for name in set(known()) - found if name.startswith(file)) == [], "noticed by now: off the list"
