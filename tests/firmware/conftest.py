"""The two runs of `bench`, once for all tests of this folder."""

from __future__ import annotations

import pytest

from tests.firmware import bench


@pytest.fixture(scope="session")
def quiet() -> bench.Bench:
    return bench.quiet()


@pytest.fixture(scope="session")
def busy() -> bench.Bench:
    return bench.busy()
