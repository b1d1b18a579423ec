"""One small taught model for the tests that only look at it."""

from __future__ import annotations

from pathlib import Path

import pytest

from inspector.teach import TeachOptions, TeachResult, teach
from tests.teach.made import never, quiet, write_parts


@pytest.fixture(scope="session")
def taught(tmp_path_factory: pytest.TempPathFactory) -> TeachResult:
    folder = tmp_path_factory.mktemp("taught")
    files = write_parts(folder / "good", 24)
    return teach(files, folder / "disc" / "r1", TeachOptions(), quiet, never)


@pytest.fixture(scope="session")
def model(taught: TeachResult) -> Path:
    return taught.folder
