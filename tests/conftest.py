"""What the tests of more than one folder need."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

# These talk to other processes, browsers and sockets by the wall's clock, and a machine that is shared may stand still
# for a second. What failed once is run again, twice at most, and the closing line counts it; everything that is tested
# in simulated time, in cycles or in one process has one try.
WALL = (
    "tests/web/",
    "tests/firmware_bridge/plc/",
    "tests/jobs/",
    "tests/link/",
    "tests/test_plc",
    "tests/firmware/test_pty",
)
WALL += (
    "tests/record/test_million",
    "tests/test_web_beside",
    "tests/test_kill_and",
    "tests/test_supervisor",
    "tests/camera/",
    "tests/test_command",
)


def pytest_collection_modifyitems(items):
    """Mark what may be run again."""
    for item in items:
        if item.nodeid.startswith(WALL):
            item.add_marker(pytest.mark.flaky(reruns=2))


@pytest.fixture(scope="session")
def postgres_url():
    """A private PostgreSQL cluster on a Unix socket, from the system's own programs."""
    if given := os.environ.get("INSPECTOR_TEST_POSTGRES"):
        yield given
        return
    pytest.importorskip("psycopg", reason="the package psycopg is not installed")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found or os.geteuid() != 0:
        pytest.skip("needs the package postgresql, and root to run it as the user postgres")
    programs, folder = found[-1].parent, tempfile.mkdtemp(prefix="pg")
    shutil.chown(folder, "postgres")
    as_postgres = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "cwd": folder}
    subprocess.run([*as_postgres, programs / "initdb", "-D", f"{folder}/data", "-A", "trust"], **quiet)
    options = f"-k {folder} -c listen_addresses="
    subprocess.run(
        [
            *as_postgres,
            programs / "pg_ctl",
            "-D",
            f"{folder}/data",
            "-o",
            options,
            "-l",
            f"{folder}/log",
            "-w",
            "start",
        ],
        **quiet,
    )
    yield f"postgresql+psycopg://postgres@/postgres?host={folder}"
    subprocess.run([*as_postgres, programs / "pg_ctl", "-D", f"{folder}/data", "-m", "immediate", "stop"], **quiet)
    shutil.rmtree(folder, ignore_errors=True)
