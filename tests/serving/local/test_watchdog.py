"""However the parent or the guard ends, nothing of the engine is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from dataflow.serving.local import watchdog
from tests.serving.scenes import is_there, offspring, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

# An engine with a helper of its own, and one that leaves its group, as a daemon does.
FAMILY = "sleep 1001 & setsid sleep 1002 & echo up; wait"
STUBBORN = "trap '' TERM INT; echo up; while :; do sleep 0.1; done"


@pytest.fixture
def guarded():
    started = []

    def start(*command, options=()):
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", watchdog.__file__, *options, "--", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        started.append(process)
        assert process.stdout.readline().startswith(b"engine ")
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def token_rule_of(process) -> set[int]:
    assert process.stdout.readline() == b"up\n"
    assert wait_until(lambda: len(offspring(process.pid)) >= 3)
    return offspring(process.pid)


@pytest.mark.parametrize("how", ["eof", "term", "hup", "kill"])
def test_nothing_is_left(guarded, how):
    process = guarded("sh", "-c", FAMILY)
    family = token_rule_of(process)
    if how == "eof":
        process.stdin.close()
    else:
        process.send_signal(getattr(signal, "SIG" + how.upper()))
    process.wait(10)
    # A guard that is killed cannot end the helpers; its parent does that (see test_child).
    engine_only = {min(family)} if how == "kill" else family
    assert wait_until(lambda: not any(map(is_there, engine_only)))
    for pid in filter(is_there, family):
        os.kill(pid, signal.SIGKILL)


def test_an_engine_that_ends_leaves_nothing(guarded):
    process = guarded("sh", "-c", "sleep 1003 & setsid sleep 1004 & echo up; sleep 0.5; exit 5")
    family = token_rule_of(process)
    assert process.wait(10) == 5
    assert not any(map(is_there, family))


def test_a_stubborn_engine_is_killed_after_the_grace(guarded):
    process = guarded("sh", "-c", STUBBORN, options=("--grace", "0.3"))
    assert process.stdout.readline() == b"up\n"
    began = time.monotonic()
    process.stdin.close()
    assert process.wait(10) == 128 + signal.SIGKILL
    assert 0.2 < time.monotonic() - began < 5


def test_the_named_signal_is_sent(guarded):
    process = guarded(
        "sh", "-c", "trap 'exit 9' INT; echo up; while :; do sleep 0.05; done",
        options=("--signal", "INT"),
    )  # fmt: skip
    assert process.stdout.readline() == b"up\n"
    process.stdin.close()
    assert process.wait(10) == 9


@pytest.mark.parametrize(("script", "status"), [("exit 7", 7), ("kill -9 $$", 137), ("true", 0)])
def test_the_exit_status_is_passed_on(guarded, script, status):
    assert guarded("sh", "-c", script).wait(10) == status


def test_a_program_that_is_not_there():
    done = subprocess.run(
        [sys.executable, "-m", "dataflow.serving.local.watchdog", "--", "/no/such/program"],
        stdin=subprocess.PIPE,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 127
    assert b"/no/such/program: No such file" in done.stderr


def test_ctrl_c_in_the_terminal_does_not_reach_the_engine(guarded):
    """A terminal signals the foreground group; guard and engine are in sessions of their own."""
    process = guarded("sleep", "1005")
    assert wait_until(lambda: len(offspring(process.pid)) == 1)
    (engine,) = offspring(process.pid)
    assert len({os.getpgid(pid) for pid in (os.getpid(), process.pid, engine)}) == 3
    assert len({os.getsid(pid) for pid in (os.getpid(), process.pid, engine)}) == 3
    process.send_signal(signal.SIGINT)
    assert not wait_until(lambda: not is_there(engine), 0.3)


def test_a_parent_that_is_killed():
    """The parent dies by kill -9; a fork of it that lives on holds the pipe open."""
    script = f"""
import os, subprocess, sys, time
process = subprocess.Popen([sys.executable, {watchdog.__file__!r}, "--", "sleep", "1006"],
    stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
process.stdout.readline()
fork = os.fork()
if fork == 0:
    time.sleep(30)
    os._exit(0)
print(fork, process.pid, flush=True)
time.sleep(30)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        fork, guarding = map(int, parent.stdout.readline().split())
        family = {guarding, *offspring(guarding)}
        assert len(family) == 2
        parent.kill()
        assert wait_until(lambda: not any(map(is_there, family)))
        os.kill(fork, signal.SIGKILL)
