"""The job `check`: `inspector check` for the page.

What it is: the findings as plain values. What it is not: the looking (`checkup`). The job's process.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from inspector.checkup import check
from inspector.clock import SystemClock
from inspector.config import load_station
from inspector.jobs.context import JobContext

_LOOKS = 7


def run(job: JobContext) -> dict[str, Any]:
    """Look at everything that `line_runs` of the arguments leaves to look at."""
    config, findings = load_station(job.station), []
    job.step("looking", 0, _LOOKS)
    for finding in check(config, SystemClock(), line_runs=bool(job.arguments.get("line_runs"))):
        findings.append(asdict(finding))
        job.step("looking", len(findings), _LOOKS)
    return {"fit": all(one["level"] != "fail" for one in findings), "findings": findings}
