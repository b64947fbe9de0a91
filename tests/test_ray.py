"""`dataflow.ray.Captioner`: columns in, the same columns with captions out."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from dataflow.core.errors import UsageError, WrongKeyError
from dataflow.ray import Captioner
from tests.faults.scene import encode
from tests.servers.hostile_server import HostileServer, caption_of


@pytest.fixture
def server():
    with HostileServer() as running:
        yield running


@pytest.fixture
def make(server):
    def captioner(**more):
        return Captioner(api_url=server.url, model="m", **more)

    return captioner


def test_paths_and_bytes_get_their_captions_and_other_columns_stay(tmp_path, make):
    (tmp_path / "0.jpg").write_bytes(encode(0))
    batch = {
        "image": np.array([str(tmp_path / "0.jpg"), encode(1)], dtype=object),
        "id": np.array([7, 8]),
    }
    found = make()(batch)
    assert found["caption"] == [caption_of(encode(0)), caption_of(encode(1))]
    assert found["caption_error"] == [None, None]
    assert found["id"] is batch["id"]


def test_a_row_that_fails_says_how_and_the_others_are_captioned(tmp_path, make):
    found = make(image="picture", caption="text", error="why")(
        {"picture": [str(tmp_path / "none.jpg"), encode(1)]}
    )
    assert found["text"] == [None, caption_of(encode(1))]
    assert found["why"] == ["picture_missing", None]


def test_one_captioner_takes_batch_after_batch_and_an_empty_one(make, server):
    captioner = make()
    for number in range(3):
        assert captioner({"image": [encode(number)]})["caption"] == [caption_of(encode(number))]
    assert captioner({"image": []})["caption"] == []
    assert server.asked == 3


def test_what_a_person_must_mend_is_raised(make, server):
    server.fault = "401"
    with pytest.raises(WrongKeyError):
        make()({"image": [encode(0), encode(1)]})


def test_an_option_that_is_none_is_refused_at_once():
    with pytest.raises((UsageError, TypeError)):
        Captioner(api_url="http://127.0.0.1:1/v1", model="m", no_such_option=1)


def test_ray_is_not_imported_for_it():
    script = "import dataflow.ray, sys; sys.exit('ray' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_ray_data_maps_batches_with_it(tmp_path, server):
    ray = pytest.importorskip("ray")
    for number in range(20):
        (tmp_path / f"{number}.jpg").write_bytes(encode(number))
    ray.init(num_cpus=2, include_dashboard=False, object_store_memory=80 * 2**20)
    try:
        rows = [{"image": str(tmp_path / f"{number}.jpg"), "id": number} for number in range(20)]
        found = (
            ray.data.from_items(rows)
            .map_batches(
                Captioner,
                fn_constructor_kwargs={"api_url": server.url, "model": "m"},
                concurrency=1,
                batch_size=8,
            )
            .take_all()
        )
    finally:
        ray.shutdown()
    captions = {row["id"]: row["caption"] for row in found}
    assert captions == {number: caption_of(encode(number)) for number in range(20)}
    assert server.asked == 20
