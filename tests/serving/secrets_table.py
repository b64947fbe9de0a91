"""Secrets planted at every entry, looked for at every exit: the table, a cell for each pair.

``python -m tests.serving.secrets_table`` prints it. A mode is what the server does with what it was
sent: it repeats all of it, in good replies, in errors, in redirects.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from aiohttp import web
from PIL import Image

from tests.loop_thread import LoopThread
from tests.servers.batch_server import BatchServer

ENTRIES = {
    "API key": "sk-planted-KEY/0123456789+a",
    "fallback's key": "sk-planted-FALLBACK-0123456789",
    "header": "planted-HEADER-0123456789",
    "query of the API's URL": "planted-QUERY-0123456789",
    "proxy's password": "planted-PROXY-0123456789",
    "redirect's signature": "planted-REDIRECT-0123456789",
    "picture URL's signature": "planted-PICTURE-0123456789",
    "key where the variable's name belongs": "sk-planted-NAME-0123456789abcdefghij",
    "environment (HF_TOKEN)": "hf_planted0TOKEN0123456789",
    "environment (AWS_SECRET_ACCESS_KEY)": "planted/AWS/secret+0123456789",
}
"""Where a secret comes in → the secret."""

MODES = (
    *("good", "odd", "error in 200", "no json", "redirect", "307", "400", "401", "402", "403"),
    *("407", "429", "500", "proxy", "key as name", "picture", "fallback", "estimate", "batch"),
)
"""What is done, and what the server does."""

_LINES = {"output": "out.jsonl", "errors file": "out.jsonl.errors.jsonl"}

_CHILD = """
import asyncio, logging, pickle, sys, traceback, os
from pathlib import Path
logging.basicConfig(level=logging.DEBUG, filename="exits/log at level DEBUG", force=True)
commands, url, model = eval(sys.argv[1]), sys.argv[2], sys.argv[3]
from dataflow.cli.main import dataflow
raised = []
for command in commands:
    try:
        dataflow.main(command, prog_name="dataflow", standalone_mode=False)
    except BaseException as error:
        raised.append(error)
        Path("exits/traceback").open("a").write(traceback.format_exc())
sys.stdout.flush()
from dataflow.operators.core_vision import ImageCaptionGenerator
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
try:
    serving = APIVLMServing_openai(
        f"{url}?code=$MY_CODE", os.environ.get("KEY_NAME", "DF_API_KEY"), model,
        headers={"X-Mine": "$MY_HEADER"}, timeout=5,
    )
    things = [serving, ImageCaptionGenerator(serving, "")]
    text = repr(things)
    try:
        if model != "500":  # which may pass, and is waited for
            text += repr(serving.generate_from_input(["What?"], ""))
    except BaseException as error:
        raised.append(error)
        Path("exits/traceback").open("a").write(traceback.format_exc())
    Path("exits/repr and answers").write_text(text)
    Path("exits/pickle").write_bytes(b"".join(pickle.dumps(thing) for thing in things))
except BaseException as error:
    raised.append(error)
    Path("exits/traceback").open("a").write(traceback.format_exc())
logging.getLogger("dataflow").error("what was raised: %s", raised, exc_info=raised and raised[-1])
with open("exits/pickled errors", "wb") as file:
    for error in raised:
        try:
            file.write(pickle.dumps(error))
        except Exception as why:
            file.write(repr(why).encode())
for error in raised:
    Path("exits/message").open("a").write(f"{error!r} {error} {vars(error)}")
"""


@contextmanager
def parrot() -> Iterator[str]:
    """A server, and a proxy, that repeats whatever it was sent; its address without a path."""
    thread, ports = LoopThread(), []

    async def answer(request: web.Request) -> web.StreamResponse:
        sent = f"{dict(request.headers)} {request.url} {request.raw_path}"
        if request.method == "GET":
            return web.Response(text=sent, status=403)
        mode = (await request.json())["model"]
        signed = "https://login.example/x?sig=" + ENTRIES["redirect's signature"]
        if mode == "redirect":
            raise web.HTTPFound(f"{signed}&key={ENTRIES['API key']}")
        if mode == "307":
            raise web.HTTPTemporaryRedirect(signed)
        if mode.isdigit():
            more = {"Retry-After": "86400"} if mode == "429" else {"X-Sent": sent[:2000]}
            return web.json_response({"error": {"message": sent}}, status=int(mode), headers=more)
        if mode == "error in 200":
            return web.json_response({"error": {"message": sent, "code": sent, "type": sent}})
        if mode == "no json":
            return web.Response(text=f"<html>{sent}</html>", content_type="text/html")
        is_good = mode != "odd"
        content = f"A photo of a boat on a lake. {sent}" if mode != "fallback" else ""
        choice = {
            "message": {"content": content, "reasoning_content": sent},
            "finish_reason": "stop" if is_good else f"odd {sent}",
        }
        reply = {"id": sent, "model": sent, "choices": [choice], "system_fingerprint": sent}
        return web.json_response(reply)

    async def start() -> None:
        app = web.Application()
        app.router.add_route("*", "/{any:.*}", answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        ports.append(runner.addresses[0][1])
        thread.runner = runner  # type: ignore[attr-defined]

    thread.run(start(), 10)
    try:
        yield f"http://127.0.0.1:{ports[0]}"
    finally:
        thread.run(thread.runner.cleanup(), 10)  # type: ignore[attr-defined]
        thread.stop()


def _rows(folder: Path, mode: str, server: str) -> None:
    lines = []
    for number in range(3):
        name = f"{number}.jpg"
        buffer = io.BytesIO()
        Image.new("RGB", (64, 48), (number * 70, 9, 90)).save(buffer, "JPEG")
        (folder / name).write_bytes(buffer.getvalue())
        signature = ENTRIES["picture URL's signature"]
        url = f"{server}/{number}.jpg?X-Amz-Signature={signature}&Expires=1"
        lines.append(json.dumps({"image": url if mode == "picture" else name}))
    (folder / "in.jsonl").write_text("\n".join(lines) + "\n")


def _environment(mode: str, server: str) -> dict[str, str]:
    environment = {
        **os.environ,
        "PYTHONASYNCIODEBUG": "1",
        "COLUMNS": "200",
        "TERM": "dumb",
        "DF_API_KEY": ENTRIES["API key"],
        "OTHER_KEY": ENTRIES["fallback's key"],
        "MY_HEADER": ENTRIES["header"],
        "MY_CODE": ENTRIES["query of the API's URL"],
        "HF_TOKEN": ENTRIES["environment (HF_TOKEN)"],
        "AWS_SECRET_ACCESS_KEY": ENTRIES["environment (AWS_SECRET_ACCESS_KEY)"],
    }
    if mode == "key as name":
        environment["KEY_NAME"] = ENTRIES["key where the variable's name belongs"]
    if mode == "proxy":
        password = quote(ENTRIES["proxy's password"], safe="")
        environment["HTTP_PROXY"] = server.replace("://", f"://user:{password}@")
        environment.pop("NO_PROXY", None)
    return environment


def run_mode(mode: str, folder: Path) -> Counter[tuple[str, str]]:
    """What one mode lets out: (entry, exit) → how often the secret stands there.

    Args:
        mode: One of `MODES`.
        folder: An empty folder.
    """
    (folder / "exits").mkdir()
    batches = BatchServer(key=ENTRIES["API key"], seconds=0.01)
    with parrot() as server, batches:
        query = "?code=" + ENTRIES["query of the API's URL"] if mode != "batch" else ""
        host = {"proxy": "http://api.example", "batch": batches.url[: -len("/v1")]}
        url = f"{host.get(mode, server)}/v1{query}"
        _rows(folder, mode, server)
        model = mode if mode not in ("proxy", "picture", "key as name", "estimate") else "good"
        api = ["--api-url", url, "--model", model, "--header", "X-Mine: $MY_HEADER"]
        more = ["--give-up-after", "0.1", "--no-checks", "--meta", "--allow-private-urls"]
        if mode == "key as name":
            api += ["--key-env", ENTRIES["key where the variable's name belongs"]]
        if mode == "fallback":
            more += ["--fallback-model", "good", "--fallback-api-url", url,
                     "--fallback-key-env", "OTHER_KEY"]  # fmt: skip
        if mode == "batch":
            more += ["--detach"]
        caption = ["caption", "in.jsonl", "-o", "out.jsonl", *api, *more]
        commands = [caption, caption, ["status", "out.jsonl"], ["write", "out.jsonl"],
                    ["check", "out.jsonl", "--output-key", "caption"],
                    ["report", "out.jsonl", "-o", "report.html"],
                    ["edits", "out.jsonl"]]  # fmt: skip
        if mode == "estimate":
            commands = [["estimate", "in.jsonl", *api, "--probe", "2"], *commands]
        done = subprocess.run(
            [sys.executable, "-c", _CHILD, repr(commands), url.partition("?")[0], model],
            cwd=folder, env=_environment(mode, server), capture_output=True, timeout=110,
            check=False,
        )  # fmt: skip
    (folder / "exits" / "standard output").write_bytes(done.stdout)
    (folder / "exits" / "standard error").write_bytes(done.stderr)
    assert (folder / "exits" / "pickled errors").exists(), done.stderr.decode()[-2000:]
    return Counter(
        {
            (entry, name): count
            for name, text in exits(folder, mode)
            for entry, secret in ENTRIES.items()
            if (count := sum(text.count(form) for form in forms(secret)))
        }
    )


def forms(secret: str) -> set[bytes]:
    """A secret as it is, as URLs hold it, and as JSON does."""
    found = {secret, quote(secret, safe=""), json.dumps(secret)[1:-1], secret.replace("/", "\\/")}
    return {form.encode() for form in found}


def exits(folder: Path, mode: str) -> Iterator[tuple[str, bytes]]:
    """All that a run said and left behind: the name of each exit, and what is there."""
    for path in sorted(folder.rglob("*")):
        below = path.relative_to(folder).as_posix()
        if not path.is_file() or path.suffix == ".jpg" or below == "in.jsonl":
            continue
        text = path.read_bytes()
        if mode == "picture":  # in the output the row's own fields stay as they are
            if below == "out.jsonl":
                rows: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]
                text = json.dumps([{**row, "image": ""} for row in rows]).encode()
            if below.endswith("review.sqlite"):  # and so they do in the copy that the report reads
                continue
        yield exit_of(below), text


def exit_of(below: str) -> str:
    """The name of the exit that a file is."""
    if below.startswith("exits/"):
        return below.removeprefix("exits/")
    if "journal" in below:
        return "journal"
    if "/batches/" in below:
        return "batch files"
    if below == "report.html":
        return "report"
    return {name: what for what, name in _LINES.items()}.get(below, "other files")


def main() -> None:
    """Print the table, a line for each entry, with the number of hits at each exit."""
    found: Counter[tuple[str, str]] = Counter()
    names: set[str] = set()
    for mode in MODES:
        with tempfile.TemporaryDirectory() as name:
            found += run_mode(mode, Path(name))
            names |= {one for one, _ in exits(Path(name), mode)}
    print(f"{len(ENTRIES)} entries × {len(names)} exits, {len(MODES)} modes of the server")
    print(f"exits: {', '.join(sorted(names))}")
    for entry in ENTRIES:
        hits = {name: count for (one, name), count in found.items() if one == entry}
        print(f"{entry:40} {hits or 'nowhere'}")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
