"""``import dataflow``: the functions of the command line, from Python."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import dataflow
from tests.servers.hostile_server import MODEL, HostileServer


@pytest.fixture
def server():
    with HostileServer() as running:
        yield running


@pytest.fixture
def photos(tmp_path):
    from PIL import Image

    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        Image.new("RGB", (64, 48), (number * 50, 0, 90)).save(folder / f"{number}.jpg")
    return folder


def test_every_public_name_is_there():
    for name in dataflow.__all__:
        assert getattr(dataflow, name) is not None
    assert set(dataflow.__all__) <= set(dir(dataflow))


def test_a_name_that_there_is_not_is_an_attribute_error():
    with pytest.raises(AttributeError, match="captoin"):
        _ = dataflow.captoin


def test_the_import_alone_loads_nothing_heavy():
    heavy = "PIL rich aiohttp pyarrow click"
    code = f"import sys, dataflow; print(*(set('{heavy}'.split()) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_a_folder_is_captioned_into_sidecars(photos, server, capfd):
    result = dataflow.caption(photos, sidecar=".txt", api_url=server.url, model=MODEL)
    assert result.is_complete
    assert sorted(path.name for path in photos.glob("*.txt")) == ["0.txt", "1.txt", "2.txt"]
    assert "captioned" in capfd.readouterr().err


@pytest.mark.parametrize("options", [{}, {"exclude": ["2.jpg"]}])
def test_a_sidecar_that_was_deleted_is_asked_for_again(photos, server, options):
    asked = {"sidecar": ".txt", "api_url": server.url, "model": MODEL, "quiet": True}
    dataflow.caption(photos, **asked)
    for path in photos.glob("*.txt"):
        path.unlink()
    result = dataflow.caption(photos, **asked, **options, yes=True)
    assert result.is_complete
    assert len([*photos.glob("*.txt")]) == 3 - len(options)


def test_quiet_prints_nothing(photos, server, capfd):
    result = dataflow.caption(photos, api_url=server.url, model=MODEL, quiet=True)
    assert result.summary.captioned == 3
    assert capfd.readouterr() == ("", "")


def test_the_same_call_again_asks_nothing(photos, server):
    for _ in range(2):
        result = dataflow.caption(photos, api_url=server.url, model=MODEL, quiet=True)
    assert (server.asked, result.summary.reused) == (3, 3)


def test_an_estimate_asks_nobody(photos, server):
    found = dataflow.estimate(photos, api_url=server.url, model=MODEL, quiet=True)
    assert (found.found.rows, server.asked) == (3, 0)


def test_captions_are_checked_and_fixed(photos, server, tmp_path):
    output = tmp_path / "out.jsonl"
    dataflow.caption(photos, api_url=server.url, model=MODEL, output=output, quiet=True)
    assert dataflow.check(output, quiet=True, max_duplicates=99).quality.rows == 3
    assert not dataflow.check(output, min_words=99, quiet=True).is_sound
    assert dataflow.status(output).captioned == 3


def test_an_error_shows_none_of_our_insides_and_speaks_python(photos):
    with pytest.raises(dataflow.UsageError) as found:
        dataflow.caption(photos, max_side=1, quiet=True)
    assert "max_side" in str(found.value)
    assert "--" not in str(found.value)
    frames = [entry for entry in found.traceback if "dataflow" in str(entry.path)]
    assert len([f for f in frames if "src/dataflow" in str(f.path)]) <= 2


def test_a_mistyped_option_names_the_one_that_was_meant(photos):
    with pytest.raises(TypeError, match="did you mean max_side"):
        dataflow.caption(photos, max_sid=512)


def test_the_signature_names_every_option():
    signature = inspect.signature(dataflow.caption)
    assert {"source", "max_side", "sidecar", "api_url", "quiet"} <= set(signature.parameters)
    assert "max_side" in (dataflow.caption.__doc__ or "")


def test_a_list_of_dicts_gives_a_list_of_dicts(photos, server):
    rows = [{"image": str(photos / f"{n}.jpg"), "id": n} for n in range(3)]
    made = dataflow.caption(rows, api_url=server.url, model=MODEL, quiet=True)
    assert [row["id"] for row in made] == [0, 1, 2]
    assert all(row["caption"] for row in made)
    assert "caption" not in rows[0]


def test_a_dataframe_gives_a_dataframe_with_its_index(photos, server):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"image": [str(photos / "0.jpg"), "gone.jpg"]}, index=[7, 9])
    made = dataflow.caption(frame, api_url=server.url, model=MODEL, quiet=True)
    assert list(made.index) == [7, 9]
    assert made["caption"].notna().tolist() == [True, False]


def test_a_list_with_a_journal_resumes(photos, server, tmp_path):
    rows = [{"image": str(photos / "0.jpg")}]
    for _ in range(2):
        dataflow.caption(
            rows, api_url=server.url, model=MODEL, journal=tmp_path / "kept", quiet=True
        )
    assert server.asked == 1


@pytest.mark.parametrize("source", [["a.jpg"], 3, [1]])
def test_what_is_no_dataset_is_refused(source):
    with pytest.raises(dataflow.UsageError, match="list of dicts"):
        dataflow.caption(source, quiet=True)


@pytest.mark.parametrize("option", [{"output": "x.jsonl"}, {"sidecar": ".txt"}, {"detach": True}])
def test_options_about_files_are_refused_for_rows(option):
    with pytest.raises(dataflow.UsageError, match="in memory"):
        dataflow.caption([{"image": "a.jpg"}], quiet=True, **option)


def test_every_exception_is_importable_from_the_package_itself():
    from dataflow.core import errors

    kinds = {n for n, o in vars(errors).items() if inspect.isclass(o) and issubclass(o, Exception)}
    assert kinds <= set(dataflow.__all__)


def test_results_say_in_one_line_what_they_are(photos, server, tmp_path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(f'{{"image": "photos/{n}.jpg"}}\n' for n in (0, 1, "gone")))
    output = tmp_path / "out.jsonl"
    given = {"api_url": server.url, "model": MODEL, "quiet": True}
    result = dataflow.caption(rows, output=output, **given)
    assert repr(result) == f"<CaptionResult: 2 captioned, 1 failed, {output}>"
    found = repr(dataflow.status(output))
    assert found == "<Status: done, 2 of 3 captioned, 1 failed, 1 left to ask>"
    assert "have a fault" in repr(dataflow.check(output, quiet=True))
    assert "1 requests to" in repr(dataflow.estimate(rows, output=output, **given))


def test_a_result_is_shown_as_pictures_beside_captions(photos, server, tmp_path):
    given = {"api_url": server.url, "model": MODEL, "quiet": True}
    sidecars = dataflow.caption(photos, sidecar=".txt", **given)
    file = dataflow.caption(photos, output=tmp_path / "out.jsonl", **given)
    for result in (sidecars, file):
        shown = result._repr_html_()
        assert shown.count("<img ") == 3
        assert shown.count("base64,") == 3
        assert all(caption in shown for _, _, caption in result.captions())
    (tmp_path / "out.jsonl").unlink()
    assert file._repr_html_() is None


def test_a_storage_is_shown_as_its_current_step(photos, tmp_path):
    storage = dataflow.FileStorage(photos, cache_path=tmp_path / "cache")
    assert storage._repr_html_() is None
    operator = dataflow.ImageCaptionGenerator(dataflow.FakeServing("A <b>cat</b>."), "")
    operator.run(storage.step(), output_key="caption")
    assert "A &lt;b&gt;cat" not in storage._repr_html_()
    shown = storage.step()._repr_html_()
    assert shown.count("<img ") == shown.count("A &lt;b&gt;cat&lt;/b&gt;.") == 3
