"""The jobs `backup`, `verify` and `bundle`: the station as one file, the check of one, and what helpers ask for.

What it is: the backup's functions with a job's progress; the bundle's files. What it is not: the restore, which waits
for the next start. The job's process.
"""

from __future__ import annotations

import json
import platform
import shutil
import sys
import zipfile
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from inspector.backup.archive import make_backup, unpack_backup
from inspector.backup.restore import WAITING
from inspector.clock import SystemClock
from inspector.config import load_station
from inspector.errors import StationError
from inspector.jobs.context import JobContext
from inspector.jobs.folder import JobFolder, write_json
from inspector.logfile import without_secrets

_LOG_TAIL = 2_000_000


def backup(job: JobContext) -> dict[str, Any]:
    """Arguments: `records`, `pictures`. The file is `backup.tar.gz` of `out`."""
    target = job.out / "backup.tar.gz"
    try:
        manifest = make_backup(
            job.station,
            target,
            SystemClock().utc(),
            lambda done, total: job.step("packing", done, total),
            records=bool(job.arguments["records"]),
            pictures=bool(job.arguments["pictures"]),
        )
    except OSError as why:
        raise StationError(f"the backup cannot be written: {why}") from why
    size = target.stat().st_size
    return {"files": len(manifest.entries), "bytes": size, "left_out": "; ".join(manifest.left_out)}


def verify(job: JobContext) -> dict[str, Any]:
    """Check the uploaded backup in `restore` of the work folder; it waits there, restored by nobody yet."""
    config = load_station(job.station)
    staged = config.path(config.web.work) / "restore"
    shutil.rmtree(staged / "unpacked", ignore_errors=True)
    (staged / WAITING).unlink(missing_ok=True)
    try:
        manifest = unpack_backup(
            staged / "upload.tar.gz", staged / "unpacked", lambda done, total: job.step("checking", done, total)
        )
    except BaseException:
        shutil.rmtree(staged, ignore_errors=True)
        raise
    (staged / "upload.tar.gz").unlink()
    said = {"station": manifest.station, "made_at_utc": manifest.made_at_utc, "files": len(manifest.entries)}
    write_json(staged / WAITING, said | {"apply": False})
    return said


def bundle(job: JobContext) -> dict[str, Any]:
    """Arguments: `status`, as the line last told it. The file is `logs.zip` of `out`."""
    config = load_station(job.station)
    work = config.path(config.web.work)
    with zipfile.ZipFile(job.out / "logs.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("status.json", json.dumps(job.arguments.get("status"), indent=1))
        packed.writestr("versions.json", json.dumps(_versions(), indent=1))
        recipes = config.path(config.station.recipe).parent.glob("*.toml")
        settings = {"settings": [job.station.resolve()], "settings/recipes": sorted(path.resolve() for path in recipes)}
        for folder, paths in settings.items():
            for path in paths:
                packed.writestr(f"{folder}/{path.name}", without_secrets(path.read_text("utf-8", "replace")))
        for other in JobFolder(work / "jobs").all():
            job.step("packing", 0, 1)
            facts = {"kind": other.kind, "state": other.state, "by": other.by, "asked": other.asked_at_utc}
            packed.writestr(f"jobs/{other.id}.json", json.dumps(facts | {"trouble": other.trouble}, indent=1))
            packed.writestr(f"jobs/{other.id}.log", without_secrets(other.log()))
        for path in sorted((work / "log").glob("*.log*")):
            packed.writestr(f"log/{path.name}", without_secrets(_tail(path)))
    return {"bytes": (job.out / "logs.zip").stat().st_size}


def _versions() -> dict[str, Any]:
    packages = {one.metadata["Name"]: one.version for one in distributions()}
    return {"python": sys.version, "machine": platform.platform(), "packages": dict(sorted(packages.items()))}


def _tail(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _LOG_TAIL))
        return file.read().decode("utf-8", "replace")
