"""Jobs: one at a time, cancelled, crashed, killed with the station - real processes, watched through their files."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from inspector.clock import SimulatedClock, SystemClock
from inspector.errors import UsageError
from inspector.jobs.context import JobCancelled, JobContext
from inspector.jobs.folder import KEPT, LOCK, MOST_QUEUED, JobFolder, write_json
from inspector.jobs.runner import GRACE_S, PATIENCE_S, JobRunner

DO = """
import json, os, sys, time
from pathlib import Path
folder = Path(sys.argv[1])
asked = json.loads((folder / "job.json").read_text())
(folder / "pid").write_text(str(os.getpid()))
exec(asked["arguments"]["code"])
"""
WAIT = "(folder / 'up').touch(); time.sleep(60)"


def _until(condition, runner=None, timeout_s=15):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"did not come about in {timeout_s} s"
        if runner is not None:
            runner.tend()
        threading.Event().wait(0.02)


def _alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def jobs(tmp_path):
    return JobFolder(tmp_path / "jobs")


@pytest.fixture
def runner(jobs):
    one = JobRunner(jobs, [sys.executable, "-c", DO], SystemClock(), lambda _text: None)
    assert one.begin()
    yield one
    one.end()


def ask(jobs, code):
    return jobs.ask("test", "A test", "ann", "2026-03-01T10:00:00.000Z", {"code": code}).id


def over(jobs, runner, number):
    _until(lambda: jobs.get(number).over, runner)
    return jobs.get(number)


def test_jobs_run_one_after_the_other_at_the_lowest_priority_and_leave_result_and_log(jobs, runner):
    look = (
        "print('hello'); (folder / 'result.json').write_text(json.dumps({'nice': os.nice(0), 'policy': "
        "os.sched_getscheduler(0), 'oom': Path('/proc/self/oom_score_adj').read_text().strip(), 'at': time.time(),"
        "'running': sum(json.loads(p.read_text())['state'] == 'running' for p in folder.parent.glob('*/state.json'))}))"
    )
    first, second = ask(jobs, look), ask(jobs, look)
    _until(lambda: jobs.get(second).over, runner)
    results = [jobs.get(number).result() for number in (first, second)]
    assert results[0]["at"] < results[1]["at"]
    for result in results:
        assert (result["nice"], result["policy"], result["oom"]) == (19, os.SCHED_IDLE, "1000")
        assert result["running"] <= 1
    job = jobs.get(first)
    assert (job.state, job.by, job.title, job.log()) == ("done", "ann", "A test", "hello\n")
    assert job.asked_at_utc < job.started_at_utc <= job.ended_at_utc


def test_what_went_wrong_is_told_as_failed_with_its_line_or_as_crashed(jobs, runner):
    failed = ask(jobs, "(folder / 'trouble.txt').write_text('too few pictures'); sys.exit(2)")
    crashed = ask(jobs, "raise RuntimeError('a bug')")
    killed = ask(jobs, "os.kill(os.getpid(), 9)")
    done = over(jobs, runner, failed)
    assert (done.state, done.trouble, done.result()) == ("failed", "too few pictures", {})
    done = over(jobs, runner, crashed)
    assert (done.state, done.trouble) == ("crashed", "it ended with exit code 1; its log has more")
    assert "RuntimeError: a bug" in done.log()
    assert "signal SIGKILL" in over(jobs, runner, killed).trouble


def test_a_queued_job_is_cancelled_without_ever_starting_and_a_running_one_ends_itself(jobs, runner):
    running = ask(jobs, "(folder / 'up').touch()\nwhile not (folder / 'cancel').exists(): time.sleep(.01)\nsys.exit(3)")
    queued = ask(jobs, "(folder / 'up').touch()")
    _until(lambda: (jobs.get(running).folder / "up").exists(), runner)
    jobs.cancel(queued)
    jobs.cancel(running)
    assert jobs.get(running).cancelling
    assert over(jobs, runner, running).state == "cancelled"
    assert over(jobs, runner, queued).state == "cancelled"
    assert not (jobs.get(queued).folder / "up").exists()
    jobs.cancel(running)
    assert not jobs.get(running).cancelling


def test_a_job_that_does_not_listen_is_told_and_then_killed_in_simulated_time(jobs):
    clock = SimulatedClock()
    runner = JobRunner(jobs, [sys.executable, "-c", DO], clock, lambda _text: None)
    assert runner.begin()
    number = ask(
        jobs,
        "import signal; signal.signal(15, lambda *_: (folder / 'told').touch())\n(folder / 'up').touch()"
        "\nwhile True: time.sleep(.05)",
    )

    def pass_time(s):
        clock.advance_to(clock.now_ns() + int(s * 1e9))
        runner.tend()

    folder = jobs.get(number).folder
    _until(lambda: pass_time(1) or (folder / "up").exists())
    jobs.cancel(number)
    pass_time(1)
    pass_time(PATIENCE_S - 1)
    assert not (folder / "told").exists()
    pass_time(2)
    _until((folder / "told").exists)
    pass_time(GRACE_S + 1)
    _until(lambda: pass_time(1) or jobs.get(number).over)
    assert jobs.get(number).state == "cancelled"
    runner.end()


def test_a_station_that_ends_takes_its_job_along_and_tells_so_and_the_queue_goes_on_at_the_next_start(jobs, runner):
    running, queued = ask(jobs, WAIT), ask(jobs, "pass")
    _until(lambda: (jobs.get(running).folder / "up").exists(), runner)
    pid = int((jobs.get(running).folder / "pid").read_text())
    runner.end()
    assert not _alive(pid)
    assert (jobs.get(running).state, jobs.get(running).trouble) == ("crashed", "the station ended while it ran")
    again = JobRunner(jobs, [sys.executable, "-c", DO], SystemClock(), lambda _text: None)
    assert again.begin()
    assert over(jobs, again, queued).state == "done"
    again.end()


def test_a_killed_supervisor_takes_its_job_along_and_the_next_one_tells_so(jobs):
    keep = (
        "import sys, time; from pathlib import Path; from inspector.clock import SystemClock\n"
        "from inspector.jobs.folder import JobFolder; from inspector.jobs.runner import JobRunner\n"
        "runner = JobRunner(JobFolder(Path(sys.argv[1])), [sys.executable, '-c', sys.argv[2]], SystemClock(), print)\n"
        "runner.begin()\nwhile True: runner.tend(); time.sleep(.05)"
    )
    number = ask(jobs, WAIT)
    keeper = subprocess.Popen([sys.executable, "-c", keep, str(jobs.root), DO])
    _until(lambda: (jobs.get(number).folder / "up").exists())
    assert jobs.served()
    pid = int((jobs.get(number).folder / "pid").read_text())
    keeper.send_signal(signal.SIGKILL)
    keeper.wait()
    _until(lambda: not _alive(pid))
    assert not jobs.served()
    assert jobs.get(number).state == "running"  # nobody could write it down
    again = JobRunner(jobs, [], SystemClock(), print)
    assert again.begin()
    assert jobs.get(number).trouble == "the station ended while it ran"
    again.end()


def test_two_supervisors_do_not_share_a_folder_and_the_web_knows_whether_one_is_there(jobs, runner):
    said = []
    other = JobRunner(jobs, [], SystemClock(), said.append)
    assert not other.begin()
    assert "no jobs are run" in said[0]
    other.tend()
    other.end()
    assert jobs.served()
    runner.end()
    assert not jobs.served()
    assert (jobs.root / LOCK).exists()


def test_the_queue_is_bounded_and_old_jobs_are_forgotten(jobs):
    for _ in range(MOST_QUEUED):
        ask(jobs, "pass")
    with pytest.raises(UsageError, match="10 jobs wait already"):
        ask(jobs, "pass")
    for job in jobs.all():
        write_json(job.folder / "state.json", {"state": "done"})
    for _ in range(KEPT):
        write_json(jobs.get(ask(jobs, "pass")).folder / "state.json", {"state": "done"})
    assert len(jobs.all()) == KEPT
    assert jobs.all()[0].id == KEPT + MOST_QUEUED
    with pytest.raises(UsageError, match="there is no job 1"):
        jobs.get(1)


def test_fifty_who_ask_at_once_get_fifty_numbers(jobs, monkeypatch):
    monkeypatch.setattr("inspector.jobs.folder.MOST_QUEUED", 1000)
    numbers = []
    threads = [threading.Thread(target=lambda: numbers.append(ask(jobs, "pass"))) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(1, 51))
    assert [p.name for p in jobs.root.iterdir() if p.name.startswith(".half")] == []


def test_a_context_tells_progress_with_the_time_left_and_stops_when_asked(jobs, tmp_path):
    job = jobs.get(ask(jobs, "pass"))
    context = JobContext(job.folder, tmp_path / "station.toml")
    assert (context.by, context.arguments) == ("ann", {"code": "pass"})
    context.step("judging", 0, 10)
    told = jobs.get(job.id).progress
    assert (told["stage"], told["done"], told["total"], told["eta_s"]) == ("judging", 0, 10, None)
    threading.Event().wait(0.25)
    context.step("judging", 5, 10)
    assert 0.2 < jobs.get(job.id).progress["eta_s"] < 2
    jobs.cancel(job.id)
    with pytest.raises(JobCancelled):
        context.step("judging", 6, 10)


def test_the_verb_does_the_work_and_ends_with_the_code_that_says_what_came_of_it(jobs):
    station = Path(__file__).parents[2] / "sample_images" / "station.toml"

    def run(kind, **arguments):
        job = jobs.ask(kind, "x", "ann", "2026-03-01T10:00:00.000Z", arguments)
        command = [sys.executable, "-m", "inspector", "job", str(job.folder), "--station", str(station)]
        return job, subprocess.run(command, capture_output=True, text=True, check=False, cwd=station.parents[1])

    job, done = run("check", line_runs=True)
    assert done.returncode == 0, done.stderr
    found = json.loads((job.folder / "result.json").read_text())["findings"]
    assert [one["what"] for one in found] == ["model", "calibration", "store", "disk", "clock"]
    assert found[0]["level"] == "ok"
    job, done = run("nonsense")
    assert done.returncode == 2
    assert "kind is 'nonsense', wanted one of check" in (job.folder / "trouble.txt").read_text()
