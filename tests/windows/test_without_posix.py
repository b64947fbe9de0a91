"""What works where there is no `fcntl`, no `os.fork` and no `SIGHUP`: on Windows."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.paths import ROOT
from tests.servers.hostile_server import KEY, MODEL, HostileServer

SCENES = ROOT / "examples" / "scenes"


@pytest.fixture
def hidden(tmp_path):
    """Runs a script, or a command line after ``--``, in a process of its own."""

    started = []

    def start(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.windows.run_hidden", *map(str, arguments)],
            cwd=ROOT,
            env={**os.environ, "DF_API_KEY": KEY, "NO_COLOR": "1", "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    def run(*arguments):
        process = start(*arguments)
        out, err = process.communicate(timeout=100)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    run.start = start
    yield run
    for process in started:
        process.kill()
        process.communicate()


def script(tmp_path, text):
    file = tmp_path / "script.py"
    file.write_text(text, encoding="utf-8")
    return file


def test_every_module_can_be_imported(hidden, tmp_path):
    done = hidden(
        script(
            tmp_path,
            "import importlib, pkgutil, dataflow\n"
            "skipped = {'dataflow.__main__', 'dataflow.serving.local.watchdog'}\n"
            "for one in pkgutil.walk_packages(dataflow.__path__, 'dataflow.'):\n"
            "    if one.name not in skipped and 'vllm' not in one.name:\n"
            "        importlib.import_module(one.name)\n"
            "print(all(hasattr(dataflow, name) for name in dataflow.__all__))\n",
        )
    )
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


def test_the_command_line_captions_over_an_api_and_resumes(hidden, tmp_path):
    output = tmp_path / "out.jsonl"
    with HostileServer() as server:
        command = ["--", "caption", SCENES, "-o", output, "--api-url", server.url, "--model", MODEL]
        first = hidden(*command)
        asked = len(server.bodies)
        second = hidden(*command)
        assert len(server.bodies) == asked
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert all(row["caption"] for row in rows)
    assert not (tmp_path / "out.jsonl.dataflow" / "lock").exists()


def test_the_command_line_captions_with_llama_cpp_and_leaves_no_process(hidden, tmp_path):
    pytest.importorskip("xllamacpp")
    output = tmp_path / "out.jsonl"
    done = hidden("--", "caption", SCENES, "-o", output, "--model", "demo", "--limit", 2)
    assert done.returncode == 0, done.stderr
    captions = [json.loads(line)["caption"] for line in output.read_text().splitlines()]
    assert captions[0].startswith("A small purple square")
    assert "plain_watchdog" not in processes()


def processes():
    return subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout


def test_an_operator_captions_a_storage(hidden, tmp_path):
    done = hidden(
        script(
            tmp_path,
            "import json, pathlib\n"
            "from dataflow import FakeServing, FileStorage, ImageCaptionGenerator\n"
            f"root = pathlib.Path({str(tmp_path)!r})\n"
            f"rows = [{{'image': {str(SCENES / '001.png')!r}}}]\n"
            "(root / 'in.json').write_text(json.dumps(rows))\n"
            "storage = FileStorage(str(root / 'in.json'), cache_path=str(root / 'cache'))\n"
            "ImageCaptionGenerator(FakeServing('A square.'), '').run(storage.step())\n"
            "print(storage.step().read('dict')[0]['output'])\n",
        )
    )
    assert (done.returncode, done.stdout) == (0, "A square.\n"), done.stderr


def test_a_second_run_of_one_output_hears_who_writes_it(hidden, tmp_path):
    done = hidden(
        script(
            tmp_path,
            "import pathlib\n"
            "from dataflow.core.errors import OutputError\n"
            "from dataflow.engine.locks.lease import holder_of\n"
            "from dataflow.engine.locks.run_lock import RunLock\n"
            f"path = pathlib.Path({str(tmp_path)!r}) / 'x.dataflow' / 'lock'\n"
            "first = RunLock(path)\n"
            "print(holder_of(path))\n"
            "try:\n"
            "    RunLock(path)\n"
            "except OutputError as error:\n"
            "    print('is writing this output' in error.message)\n"
            "first.release()\n"
            "print(holder_of(path), path.exists())\n"
            "RunLock(path).release()\n",
        )
    )
    holder, *rest = done.stdout.splitlines()
    assert holder.startswith("process "), done.stderr
    assert rest == ["True", "None False"]


def test_ctrl_c_keeps_what_is_answered(hidden, tmp_path):
    output = tmp_path / "out.jsonl"
    with HostileServer(delay=0.3) as server:
        command = ["--", "caption", SCENES, "-o", output, "--api-url", server.url, "--model", MODEL]
        process = hidden.start(*command, "--concurrency", "1")
        while len(server.bodies) < 3:
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "every answer is kept" in err


def test_the_review_page_ends_by_ctrl_c(hidden, tmp_path):
    output = tmp_path / "out.jsonl"
    row = {"image": str(SCENES / "001.png"), "caption": "A square."}
    output.write_text(json.dumps(row) + "\n")
    process = hidden.start("--", "review", output, "--port", "0")
    for line in process.stderr:
        if "Open http" in line:
            break
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode in (0, 130)


def test_vllm_is_refused_at_once_with_what_can_be_done_instead(hidden, tmp_path):
    done = hidden("--", "caption", SCENES, "-o", tmp_path / "o.jsonl", "--vllm", "Qwen/Qwen2.5-VL")
    assert done.returncode == 1
    assert "vLLM does not run on Windows" in done.stderr
    assert "WSL" in done.stderr
