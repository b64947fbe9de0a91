"""What every dataset promises, held by those of the hubs, through the whole command."""

from __future__ import annotations

import io
import signal
import sys
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cli.conftest import Command
from tests.formats.promises import promise
from tests.formats.shards import jpeg
from tests.formats.test_contract import ODD_TEXTS
from tests.servers.dataset_hub import DatasetHub
from tests.servers.hostile_server import MODEL, HostileServer, caption_of

HUBS = ["hf", "ms"]
HUGE = 'x"\n' * 1_000_000
TEXTS = [*ODD_TEXTS, HUGE]
MEASURE = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(done.returncode)
"""
MEASURED = (sys.executable, "-c", MEASURE)


def parquet(texts, start=0, **options):
    rows = [
        {"image": {"bytes": jpeg(start + n), "path": None}, "note": text, "label": n}
        for n, text in enumerate(texts)
    ]
    picture = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    schema = pa.schema([("image", picture), ("note", pa.string()), ("label", pa.int64())])
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema), file, **options)
    return file.getvalue()


class Scene:
    """The command, an API, and a hub with one dataset in two files."""

    def __init__(self, kind, folder, hub, api):
        self.kind, self.folder, self.hub, self.api = kind, folder, hub, api
        self.command = Command(folder)
        self.command.environment |= {
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(folder / "hf"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "MODELSCOPE_ENDPOINT": hub.url,
            "MODELSCOPE_CACHE": str(folder / "ms"),
            "MODELSCOPE_HOME": str(folder / "ms-home"),
            "HOME": str(folder),
        }

    def put(self, texts, name="someone/eyes", **options):
        half = len(texts) // 2
        self.hub.repos[name] = {
            "data/train-00000-of-00002.parquet": parquet(texts[:half], **options),
            "data/train-00001-of-00002.parquet": parquet(texts[half:], half, **options),
        }
        return f"{self.kind}:{name}"

    def start(self, source, *arguments, before=()):
        given = ("--api-url", self.api.url, "--model", MODEL, *arguments)
        return self.command.start("caption", source, *given, before=before)

    def finish(self, process):
        out, err = process.communicate(timeout=100)
        assert process.returncode == 0, err
        return out

    def rows(self, name="out.parquet"):
        return pq.read_table(self.folder / name).to_pylist()


@pytest.fixture(scope="module")
def servers():
    with DatasetHub() as hub, HostileServer() as api:
        yield hub, api


@pytest.fixture(scope="module", params=HUBS)
def scene(request, servers, tmp_path_factory):
    return Scene(request.param, tmp_path_factory.mktemp(request.param), *servers)


@pytest.fixture(scope="module")
def parts(scene):
    """The rows of each part of one run over all odd texts, in two files, less one column."""
    source = scene.put(TEXTS)
    arguments = ("-o", "parts.parquet", "--drop", "label", "--rows-per-file", "5")
    scene.finish(scene.start(source, *arguments))
    return [scene.rows(path.name) for path in sorted(scene.folder.glob("parts-*.parquet"))]


def whole(parts):
    return [row for part in parts for row in part]


@promise("unicode", "hf:", "ms:")
def test_odd_texts_survive(parts):
    assert [row["note"] for row in whole(parts)][:-1] == ODD_TEXTS


@promise("huge row", "hf:", "ms:")
def test_a_row_of_megabytes_survives(parts):
    assert whole(parts)[-1]["note"] == HUGE


@promise("fields", "hf:", "ms:")
def test_left_out_fields_are_gone_and_the_others_and_the_new_are_there(parts):
    assert [list(row) for row in whole(parts)] == [["image", "note", "caption"]] * len(TEXTS)


@promise("parts", "hf:", "ms:")
def test_the_parts_together_are_the_whole(parts):
    assert [len(rows) for rows in parts] == [5, 5, 3]
    assert [row["note"] for row in whole(parts)] == TEXTS


@promise("several files", "hf:", "ms:")
def test_the_files_of_a_split_are_one_dataset(parts):
    expected = [(jpeg(n), caption_of(jpeg(n))) for n in range(len(TEXTS))]
    assert [(row["image"]["bytes"], row["caption"]) for row in whole(parts)] == expected


@promise("empty", "hf:", "ms:")
def test_no_rows_in_no_rows_out(scene):
    scene.finish(scene.start(scene.put([], "someone/nothing"), "-o", "empty.parquet"))
    assert scene.rows("empty.parquet") == []


@promise("resume", "hf:", "ms:")
def test_a_run_that_is_killed_in_the_middle_goes_on_there(scene):
    source, before = scene.put([str(n) for n in range(40)], "someone/killed"), scene.api.asked
    command = (source, "-o", "killed.parquet", "--concurrency", "4")
    scene.api.delay = 0.1
    process = scene.start(*command)
    end = time.monotonic() + 60
    while scene.api.asked < before + 12:
        assert time.monotonic() < end
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (scene.folder / "killed.parquet").exists()
    scene.api.delay = 0.0
    scene.finish(scene.start(*command))
    assert [row["caption"] for row in scene.rows("killed.parquet")] == [
        caption_of(jpeg(n)) for n in range(40)
    ]
    assert scene.api.asked - before <= 40 + 4


def test_a_few_rows_of_many_end_well(scene):
    """Who reads with threads of their own may end a process that ends before them."""
    source = scene.put([f"{n:05}" * 20_000 for n in range(100)], "someone/many", row_group_size=10)
    scene.finish(scene.start(source, "-o", "few.parquet", "--limit", "5"))
    assert len(scene.rows("few.parquet")) == 5


def test_rows_are_counted_by_the_ends_of_their_files(scene):
    """A dataset is fetched while it is captioned and when the output is written, and not before."""
    source = scene.put([f"{n:05}" * 200_000 for n in range(20)], "someone/counted")
    size = sum(map(len, scene.hub.repos["someone/counted"].values()))
    scene.hub.given = 0
    scene.finish(scene.start(source, "-o", "counted.parquet"))
    assert scene.hub.given < 2.5 * size


@promise("constant memory", "hf:", "ms:")
def test_ten_times_the_rows_take_no_more_memory(scene):
    """150 MB more of rows, less than 60 MB more of memory."""
    most = []
    for number, rows in enumerate((10, 160)):
        texts = [f"{n:05}" * 200_000 for n in range(rows)]
        source = scene.put(
            texts, f"someone/large-{number}", row_group_size=5, compression="none",
            use_dictionary=False,
        )  # fmt: skip
        process = scene.start(source, "-o", f"large-{number}.parquet", before=MEASURED)
        most.append(int(scene.finish(process)))
    assert most[1] - most[0] < 60_000, f"{most} KiB"
