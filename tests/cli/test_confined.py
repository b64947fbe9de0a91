"""Where the references in a dataset may lead, and where not."""

from __future__ import annotations

import http.server
import json
import threading
from pathlib import Path

import pytest

from tests.servers.hostile_server import KEY, MODEL, HostileServer, caption_of


@pytest.fixture
def server():
    with HostileServer(key=KEY) as running:
        yield running


@pytest.fixture
def caption(dataflow, pictures, server):
    """Captions rows with these references; returns the command's end, captions and errors."""
    pictures(2)

    def run(references, *arguments):
        lines = [json.dumps({"image": reference}) for reference in references]
        (dataflow.folder / "d.jsonl").write_text("".join(line + "\n" for line in lines))
        engine = ["--api-url", server.url, "--model", MODEL]
        done = dataflow("caption", "d.jsonl", *engine, *arguments, DF_API_KEY=KEY)
        output = dataflow.folder / "d.captions.jsonl"
        errors = output.with_name(output.name + ".errors.jsonl")
        captions = [row["caption"] for row in lines_of(output)]
        return done, captions, lines_of(errors)

    return run


def lines_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_no_path_leaves_the_image_root_by_links_dots_or_from_the_top(caption, dataflow, server):
    folder = dataflow.folder
    root = folder / "root"
    (root / "sub").mkdir(parents=True)
    secret = folder / "photos" / "00000.jpg"
    (root / "own.jpg").write_bytes((folder / "photos" / "00001.jpg").read_bytes())
    (root / "inside.jpg").symlink_to("own.jpg")
    (root / "outside.jpg").symlink_to(secret)
    (root / "sub" / "away").symlink_to(folder / "photos")
    inside = ["root/own.jpg", "root/inside.jpg", "root/sub/../own.jpg", str(root / "own.jpg")]
    outside = [
        *("root/outside.jpg", "root/sub/away/00000.jpg", "root/../photos/00000.jpg", str(secret)),
        *("photos/00000.jpg", "root/../rootless.jpg", "/etc/passwd"),
    ]
    done, captions, errors = caption([*inside, *outside], "--image-root", "root")
    assert done.returncode == 3, done.stderr
    right = caption_of((root / "own.jpg").read_bytes())
    assert captions == [right] * len(inside) + [None] * len(outside)
    assert [error["kind"] for error in errors] == ["picture_forbidden"] * len(outside)
    assert set(server.seen) == {right}


def test_an_image_root_that_is_no_folder_is_wrong_usage(dataflow, pictures):
    pictures(1)
    done = dataflow("caption", "photos", "--image-root", "nowhere")
    assert done.returncode == 2
    assert "--image-root nowhere is no folder" in done.stderr


@pytest.fixture
def web(pictures):
    """A server of pictures on this machine: its address, and what it was asked for."""
    picture = (pictures(1) / "00000.jpg").read_bytes()
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            if self.path == "/away":
                self.send_response(302)
                self.send_header("Location", "/0.jpg")
                self.end_headers()
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(picture)))
            self.end_headers()
            self.wfile.write(picture)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"127.0.0.1:{running.server_port}", asked, caption_of(picture)
        running.shutdown()
        thread.join()


def test_a_url_on_this_machine_is_not_fetched(caption, web, server):
    place, asked, _ = web
    port = place.partition(":")[2]
    references = [
        *(f"http://{place}/0.jpg", f"http://localhost:{port}/0.jpg", f"http://2130706433:{port}/"),
        *(f"http://[::ffff:127.0.0.1]:{port}/", "http://169.254.169.254/latest/meta-data/"),
        *("http://10.0.0.1/0.jpg", "ftp://127.0.0.1/0.jpg"),
    ]
    done, captions, errors = caption(references)
    assert done.returncode == 3, done.stderr
    assert captions == [None] * len(references)
    assert [error["kind"] for error in errors] == ["picture_forbidden"] * len(references)
    assert asked == []
    assert server.asked == 0


def test_a_url_on_this_machine_is_fetched_where_that_is_allowed(caption, web):
    place, asked, right = web
    references = [f"http://{place}/0.jpg", f"http://{place}/away", "ftp://127.0.0.1/0.jpg"]
    done, captions, errors = caption(references, "--allow-private-urls")
    assert done.returncode == 3, done.stderr
    assert captions == [right, right, None]
    assert [error["kind"] for error in errors] == ["picture_forbidden"]
    assert set(asked) == {"/0.jpg", "/away"}


def test_secrets_in_a_url_of_the_data_are_nowhere_shown(caption, dataflow, web):
    place, _, _ = web
    references = [f"http://{place}/0.jpg?sig=hunter2", f"http://me:hunter2@{place}/0.jpg"]
    done, _, errors = caption(references)
    assert len(errors) == 2
    names = {path.name: path for path in dataflow.folder.rglob("*") if path.is_file()}
    assert {"journal.sqlite", "d.captions.jsonl.errors.jsonl"} <= set(names)
    files = [path for name, path in names.items() if name not in ("d.captions.jsonl", "d.jsonl")]
    assert not [path for path in files if b"hunter2" in path.read_bytes()]
    assert "hunter2" not in done.stderr + done.stdout
