"""An engine's process: started, waited for, restarted a few times, ended with us."""

from __future__ import annotations

import gc
import logging
import os
import re
import signal
import subprocess
import sys
import threading

import pytest

from dataflow.core.errors import EngineFailedError
from dataflow.serving.local import engine_log, engine_process
from dataflow.serving.local.engine_log import EngineLog
from dataflow.serving.local.engine_process import EngineProcess, LaunchSpec, free_port
from tests.serving.scenes import is_there, offspring, parent_of, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

READY = "echo loading; echo ready; exec sleep 2001"


def find_reason(lines):
    return next((line[7:] for line in lines if line.startswith("ERROR: ")), None)


def ready(output):
    return "http://127.0.0.1:1" if "ready" in output.lines() else None


@pytest.fixture
def child(monkeypatch):
    monkeypatch.setattr(engine_process, "RESTART_WAITS", (0.0,))
    made = []

    def make(*scripts, **options):
        """A child whose runs are these shell scripts, the last one for all further runs."""
        left = list(scripts)

        def launch():
            script = left.pop(0) if len(left) > 1 else left[0]
            return LaunchSpec(["sh", "-c", script], ready, {"DATAFLOW_TEST_KEY": "secret"})

        made.append(EngineProcess("The engine", launch, find_reason=find_reason, **options))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def test_it_starts_once_for_all_that_ask(child):
    engine = child(READY)
    addresses = []
    threads = [
        threading.Thread(target=lambda: addresses.append(engine.ensure_running()))
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert addresses == ["http://127.0.0.1:1"] * 20
    assert engine.running
    pid = engine.engine_pid
    assert is_there(pid)
    engine.stop()
    engine.stop()
    assert not is_there(pid)
    assert not engine.running
    assert engine.ensure_running()  # it may be used again


def test_the_key_is_in_the_environment_and_not_in_the_arguments(child):
    engine = child(READY)
    engine.ensure_running()
    with open(f"/proc/{engine.engine_pid}/environ", "rb") as file:
        assert b"DATAFLOW_TEST_KEY=secret" in file.read()
    for pid in offspring(os.getpid()):
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            assert b"secret" not in file.read()
    assert "secret" not in repr(LaunchSpec([], ready, {"KEY": "secret"}))


def test_an_early_end_shows_the_reason_at_once(child):
    engine = child("echo 'ERROR: no such weights' >&2; echo more; exit 3")
    with pytest.raises(EngineFailedError, match=r"exit status 3\): no such weights") as caught:
        engine.ensure_running()
    assert caught.value.reason == "no such weights"


def test_without_a_reason_its_last_line_is_shown(child):
    with pytest.raises(EngineFailedError, match=r"ended by SIGSEGV.*: half a word"):
        child("echo first; printf 'half a word'; kill -SEGV $$").ensure_running()


def test_it_must_answer_in_time(child):
    engine = child("echo thinking; exec sleep 2002", start_timeout=0.4)
    with pytest.raises(EngineFailedError, match=r"0\.4 s after its start .*: thinking"):
        engine.ensure_running()
    assert not engine.running


def test_a_start_can_be_given_up(child):
    engine = child("exec sleep 2003")
    threading.Timer(0.3, engine.abort).start()
    with pytest.raises(EngineFailedError, match="stopped while it started"):
        engine.ensure_running()
    assert not engine.running


def test_restarts_are_bounded(child, caplog):
    engine = child(READY, max_restarts=2)
    for _ in range(2):
        engine.ensure_running()
        os.kill(engine.engine_pid, signal.SIGKILL)
        assert wait_until(lambda: not engine.running)
    with caplog.at_level(logging.WARNING, "dataflow"):
        engine.ensure_running()
    assert (
        "died (ended by SIGKILL): most likely the system ended it for lack of memory: free memory"
        in caplog.text
    )
    os.kill(engine.engine_pid, signal.SIGKILL)
    assert wait_until(lambda: not engine.running)
    for _ in range(2):
        with pytest.raises(EngineFailedError, match="not restarted any more"):
            engine.ensure_running()


def test_a_restart_that_fails_is_tried_again(child):
    engine = child(READY, "echo 'ERROR: memory is not free yet'; exit 1", READY, max_restarts=2)
    engine.ensure_running()
    os.kill(engine.engine_pid, signal.SIGKILL)
    assert wait_until(lambda: not engine.running)
    assert engine.ensure_running()
    assert engine.restarts_left == 0


def test_a_port_that_somebody_took_is_chosen_anew(child):
    engine = child("echo 'ERROR: [Errno 98] Address already in use'; exit 1", READY)
    assert engine.ensure_running()
    assert engine.restarts_left == 3


def test_its_output_is_kept_within_bounds(child):
    long = "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; head -c 100000 /dev/zero"
    engine = child(f"{long} | tr '\\0' x; echo; {READY}")
    engine.ensure_running()
    lines = engine._process.output.lines()
    assert len(lines) == 600
    assert lines[:2] == ["line 0", "line 1"]
    assert max(map(len, lines)) == 2000


def test_it_ends_with_its_object(child):
    engine = EngineProcess(
        "x", lambda: LaunchSpec(["sh", "-c", READY], ready), find_reason=find_reason
    )
    engine.ensure_running()
    pid = engine.engine_pid
    del engine
    gc.collect()
    assert not is_there(pid)


def test_it_ends_when_its_guard_is_killed(child):
    engine = child("sleep 2004 & " + READY)
    engine.ensure_running()
    guard = parent_of(engine.engine_pid)
    assert guard != os.getpid()
    family = {engine.engine_pid, *offspring(engine.engine_pid)}
    assert len(family) == 2
    os.kill(guard, signal.SIGKILL)
    assert wait_until(lambda: not engine.running)
    engine.ensure_running()
    # The kernel closes a killed process's files a moment before it takes the process away.
    assert wait_until(lambda: not any(map(is_there, family)), seconds=2.0)


PARENT = """
import os, sys, time
from dataflow.serving.local.engine_process import EngineProcess, LaunchSpec
child = EngineProcess("x", lambda: LaunchSpec(["sh", "-c", "sleep 2005 & echo ready; wait"],
    lambda output: "there" if "ready" in output.lines() else None), find_reason=lambda lines: None)
child.ensure_running()
print(child.engine_pid, flush=True)
{end}
"""


@pytest.mark.parametrize(
    "end", ["time.sleep(60)", "pass", "1 / 0", "sys.exit(3)", "os._exit(0)", "child.stop()"]
)
def test_it_ends_with_its_parent_however_that_ends(end):
    command = [sys.executable, "-c", PARENT.format(end=end)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, **pipes) as parent:
        engine = int(parent.stdout.readline())
        family = {engine, *offspring(engine)}
        if "sleep" in end:
            parent.kill()
        assert wait_until(lambda: not any(map(is_there, family)))
        parent.wait(10)


def test_a_fork_of_the_parent_does_not_end_it(child):
    engine = child(READY)
    engine.ensure_running()
    process = engine._process
    pid = os.fork()
    if pid == 0:
        process.end()
        os._exit(0)
    os.waitpid(pid, 0)
    assert engine.running
    assert is_there(engine.engine_pid)


def test_a_free_port():
    assert re.fullmatch(r"\d{4,5}", str(free_port()))


def test_it_says_how_far_a_start_is(child, monkeypatch):
    monkeypatch.setattr(engine_process, "_SHOW_EVERY", 0.0)
    heard = []
    engine = child("echo step 3/8; sleep 0.3; " + READY, find_step=lambda lines: "".join(lines))
    engine.observe = heard.append
    engine.ensure_running()
    assert any("starting The engine: step 3/8" in text for text in heard)
    assert heard[-1] == ""


def test_what_it_writes_is_kept_in_a_file_that_messages_name(child, tmp_path):
    engine = child("echo ERROR: no such thing; exit 1")
    engine.log = EngineLog(tmp_path / "engine.log")
    with pytest.raises(EngineFailedError, match=r"no such thing.*all that it wrote: .*engine.log"):
        engine.ensure_running()
    text = (tmp_path / "engine.log").read_text()
    assert "The engine is started" in text
    assert "ERROR: no such thing" in text


def test_restarts_wait_longer_each_time(child, monkeypatch):
    waited = []
    monkeypatch.setattr(engine_process, "RESTART_WAITS", (0.0, 1.0, 2.0))
    engine = child(READY, max_restarts=9)
    engine.ensure_running()
    monkeypatch.setattr(engine._stopping, "wait", lambda seconds: waited.append(seconds))
    for _ in range(4):
        os.kill(engine.engine_pid, signal.SIGKILL)
        assert wait_until(lambda: not engine.running)
        engine.ensure_running()
    assert [seconds for seconds in waited if seconds >= 1] == [1.0, 2.0, 2.0]


def test_a_hung_engine_is_killed_and_comes_back(child, caplog):
    engine = child(READY)
    engine.ensure_running()
    os.kill(engine.engine_pid, signal.SIGSTOP)
    engine.kill()
    assert wait_until(lambda: not engine.running)
    with caplog.at_level(logging.WARNING, "dataflow"):
        engine.ensure_running()
    assert "it did not answer any more" in caplog.text


def test_the_log_stays_small(tmp_path, monkeypatch):
    monkeypatch.setattr(engine_log, "MOST_BYTES", 1000)
    log = EngineLog(tmp_path / "sub" / "engine.log")
    for number in range(300):
        log.write([f"line {number}"])
    sizes = {file.name: file.stat().st_size for file in (tmp_path / "sub").iterdir()}
    assert set(sizes) == {"engine.log", "engine.log.1"}
    assert max(sizes.values()) < 1100
    assert "line 299" in log.path.read_text()


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    EngineLog(tmp_path / "file" / "engine.log").write(["line"])
