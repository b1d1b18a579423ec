"""The three wiring pages: their samples and their snippets are station files that mean what the page says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from inspector.config import StationConfig, load_station

ROOT = Path(__file__).parents[3]
PAGES = {"wiring_alone": None, "wiring_results": "results", "wiring_triggers": "triggers"}


@pytest.mark.parametrize(("page", "wiring"), PAGES.items())
def test_the_sample_of_the_page_is_wired_so(page: str, wiring: str | None) -> None:
    text = (ROOT / f"docs/{page}.md").read_text()
    [sample] = re.findall(r"`(sample_images/\w+\.toml)`", text)
    plc = load_station(ROOT / sample).plc
    assert (plc.wiring if plc else None) == wiring


@pytest.mark.parametrize("page", [page for page, wiring in PAGES.items() if wiring])
def test_the_snippet_of_the_page_is_a_station_file(page: str) -> None:
    text = (ROOT / f"docs/{page}.md").read_text()
    blocks = re.findall(r"^((?:    .*\n|\n)+)", text, re.MULTILINE)
    [snippet] = [block for block in blocks if block.strip().startswith("[")]
    tables = tomllib.loads("\n".join(line[4:] for line in snippet.splitlines()))
    config = StationConfig.model_validate(tables | {"folder": ROOT})
    assert config.plc is not None
    assert config.plc.wiring == PAGES[page]
