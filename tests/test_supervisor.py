import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from inspector import supervisor
from inspector.clock import SimulatedClock
from inspector.jobs.folder import JobFolder

PYTHON = sys.executable
LIVES = "import signal; signal.signal(signal.SIGTERM, lambda *_: exit(0)); print('up', flush=True); signal.pause()"
WAITS = "import os, signal, sys; open(sys.argv[1] + '/pid', 'w').write(str(os.getpid())); signal.pause()"
NOTE = "import os, sys; open(sys.argv[1], 'a').write(f'{os.getpid()}\\n'); "
STATION = """
import sys
from inspector.clock import SystemClock
from inspector.supervisor import supervise
line, web = ([sys.executable, "-c", sys.argv[n], sys.argv[n + 2]] for n in (1, 2))
sys.exit(supervise(line, web, SystemClock()))
"""


def _pids(path):
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def _alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _until(condition, timeout_s=15):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"did not come about in {timeout_s} s"
        threading.Event().wait(0.02)


class Station:
    def __init__(self, folder, line=NOTE + LIVES, web=NOTE + LIVES):
        self.line, self.web = folder / "line", folder / "web"
        self.process = subprocess.Popen(
            [PYTHON, "-c", STATION, line, web, str(self.line), str(self.web)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def up(self):
        _until(lambda: _pids(self.line) and _pids(self.web))

    def end(self):
        _, said = self.process.communicate(timeout=20)
        return self.process.returncode, said

    def nobody_left(self):
        _until(lambda: not any(_alive(pid) for pid in _pids(self.line) + _pids(self.web)))
        return True


@pytest.fixture
def station(tmp_path):
    made = []

    def make(**programs):
        made.append(Station(tmp_path, **programs))
        return made[-1]

    yield make
    for one in made:
        if one.process.poll() is None:
            one.process.kill()
        one.process.wait()
        one.process.stderr.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_both_and_is_no_error(station, number):
    one = station()
    one.up()
    one.process.send_signal(number)
    assert one.end() == (0, "")
    assert one.nobody_left()


def test_a_killed_web_is_started_again_and_the_line_does_not_notice(station):
    one = station()
    one.up()
    os.kill(_pids(one.web)[0], signal.SIGKILL)
    _until(lambda: len(_pids(one.web)) == 2)
    assert len(_pids(one.line)) == 1
    assert _alive(_pids(one.line)[0])
    one.process.terminate()
    code, said = one.end()
    assert code == 0
    assert "the web process ended with signal SIGKILL; starts again in 0.5 s" in said
    assert one.nobody_left()


def test_a_killed_line_is_started_again(station):
    one = station()
    one.up()
    os.kill(_pids(one.line)[0], signal.SIGKILL)
    _until(lambda: len(_pids(one.line)) == 2)
    one.process.terminate()
    assert "the line process ended with signal SIGKILL" in one.end()[1]


@pytest.mark.parametrize("code", [0, 2])
def test_a_line_that_ends_on_purpose_or_on_bad_input_ends_the_station_with_its_code(station, code):
    one = station(line=NOTE + f"import sys; sys.exit({code})")
    assert one.end()[0] == code
    assert len(_pids(one.line)) == 1
    assert one.nobody_left()


def test_who_does_not_end_is_killed_after_the_grace(station):
    stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + NOTE + "signal.pause()"
    one = station(web=stubborn)
    one.up()
    one.process.terminate()
    code, said = one.end()
    assert code == 0
    assert "the web process did not end in 5 s and is killed" in said
    assert one.nobody_left()


def test_the_children_die_with_a_killed_supervisor(station):
    one = station()
    one.up()
    os.kill(_pids(one.web)[0], signal.SIGSTOP)
    one.process.kill()
    assert one.nobody_left()


def test_the_wait_doubles_up_to_its_limit_and_starts_anew_after_a_healthy_time(monkeypatch):
    class Dead:
        def poll(self):
            return 1

    clock, said = SimulatedClock(), []
    monkeypatch.setattr(supervisor, "_start", lambda _child: Dead())
    child = supervisor._Child("web", ["web"])

    def die(after_s):
        clock.advance_to(max(clock.now_ns(), child.start_at_ns))
        assert supervisor._tend(child, clock, said.append) is None
        clock.advance_to(clock.now_ns() + int(after_s * 1e9))
        assert supervisor._tend(child, clock, said.append) == 1
        return (child.start_at_ns - clock.now_ns()) / 1e9

    assert [die(0) for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert die(supervisor.HEALTHY_S + 1) == 0.5
    clock.advance_to(child.start_at_ns - 1)
    assert supervisor._tend(child, clock, said.append) is None
    assert child.process is None
    assert said[0] == "supervisor: the web process ended with exit code 1; starts again in 0.5 s"


def test_jobs_are_run_beside_the_line_and_end_with_the_station(tmp_path):
    code = (
        "import sys; from pathlib import Path; from inspector.clock import SystemClock\n"
        "from inspector.jobs.folder import JobFolder; from inspector.jobs.runner import JobRunner\n"
        "from inspector.supervisor import supervise\n"
        "job = [sys.executable, '-c', sys.argv[4]]\n"
        "jobs = JobRunner(JobFolder(Path(sys.argv[1])), job, SystemClock(), print)\n"
        "sys.exit(supervise([sys.executable, '-c', sys.argv[2], sys.argv[3]], None, SystemClock(), jobs=jobs))"
    )
    jobs = JobFolder(tmp_path / "jobs")
    job = jobs.ask("test", "x", "ann", "2026-03-01T10:00:00.000Z", {})
    line = subprocess.Popen([PYTHON, "-c", code, str(jobs.root), NOTE + LIVES, str(tmp_path / "line"), WAITS])
    _until(lambda: _pids(job.folder / "pid") and jobs.get(job.id).state == "running", 60)
    pid = _pids(job.folder / "pid")[0]
    line.terminate()
    assert line.wait(30) == 0
    assert not _alive(pid)
    assert jobs.get(job.id).trouble == "the station ended while it ran"
