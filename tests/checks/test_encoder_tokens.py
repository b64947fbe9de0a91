"""How long captions are to text encoders: exactly where CLIP's vocabulary is, else estimated."""

from __future__ import annotations

import gzip

import pytest

from dataflow.checks.encoder_tokens import ClipTokenizer, counter_of, parse_limit
from dataflow.checks.rules.length import length
from dataflow.core.errors import UsageError
from dataflow.core.protocols.check import CheckContext
from tests.checks.test_unigram import model_file

MERGES = ["c a", "ca t</w>", "d o", "do g</w>"]


@pytest.fixture
def vocabulary(tmp_path):
    package = tmp_path / "open_clip"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('it is not to be imported')")
    path = package / "bpe_simple_vocab_16e6.txt.gz"
    path.write_bytes(gzip.compress("\n".join(["#version", *MERGES]).encode()))
    return path


@pytest.fixture
def _fresh():
    counter_of.cache_clear()
    yield
    counter_of.cache_clear()


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("cat", 1), ("A Cat &amp; dog", 4), ("cats", 3), ("cat, 12", 4), ("it's", 4), ("", 0)],
)
def test_words_are_cut_as_the_vocabulary_says(vocabulary, text, tokens):
    assert ClipTokenizer(vocabulary).count(text) == tokens


@pytest.mark.usefixtures("_fresh")
def test_an_installed_vocabulary_is_used_and_its_package_not_imported(vocabulary, monkeypatch):
    monkeypatch.syspath_prepend(vocabulary.parents[1])
    counter = counter_of("clip")
    assert counter.is_exact
    assert counter.count("cat dog") == 2


@pytest.mark.usefixtures("_fresh")
@pytest.mark.parametrize("name", ["t5", "siglip"])
def test_others_are_estimated_and_say_so(name, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    counter = counter_of(name)
    assert not counter.is_exact
    assert 8 <= counter.count("A brown dog lies on a wooden floor in the sun.") <= 16


@pytest.mark.parametrize(
    "text", ["a dog", "子猫が窓辺で眠っている", "eine schlafende Katze", "1girl, solo"]
)
def test_an_estimate_is_never_nothing_where_there_is_text(text):
    assert all(counter_of(name).count(text) > 1 for name in ("clip", "t5", "siglip"))


@pytest.mark.parametrize(("text", "limit"), [("clip:60", 60), ("CLIP", 75), (" t5:256 ", 256)])
def test_a_limit_names_an_encoder_and_a_number(text, limit):
    assert parse_limit(text)[1] == limit


@pytest.mark.parametrize("text", ["bert:5", "clip:", "clip:0", "clip:many", "75"])
def test_a_limit_that_is_none_is_wrong_usage(text):
    with pytest.raises(UsageError):
        parse_limit(text)


def test_a_caption_over_the_limit_is_asked_again_in_words_that_a_model_can_count():
    check = length(max_encoder_tokens=["clip:10"])
    assert check("A dog on a mat.", CheckContext()) is None
    verdict = check("A dog lies on a mat beside a red ball in the warm sun.", CheckContext())
    assert verdict is not None
    assert "clip tokens, at most 10 are asked" in verdict.reason
    assert verdict.follow_up.endswith("words.")


@pytest.mark.usefixtures("_fresh")
@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("t5", "models--google-t5--t5-small/snapshots/1"),
        ("t5", "models--black-forest-labs--FLUX.1-dev/snapshots/1/tokenizer_2"),
        ("siglip", "models--google--siglip-base-patch16-224/snapshots/1"),
    ],
)
@pytest.mark.parametrize("file", ["tokenizer.json", "spiece.model"])
def test_a_tokenizer_in_the_cache_counts_exactly(tmp_path, monkeypatch, name, folder, file):
    (tmp_path / folder).mkdir(parents=True)
    (tmp_path / folder / file).write_bytes(model_file(file, {"\u2581a": -1.0, "\u2581dog": -2.0}))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    counter = counter_of(name)
    assert counter.is_exact
    assert counter.count("a dog a dog") == 4


@pytest.mark.usefixtures("_fresh")
def test_siglip_reads_lower_case_without_punctuation(tmp_path, monkeypatch):
    folder = tmp_path / "models--google--siglip-base/snapshots/1"
    folder.mkdir(parents=True)
    (folder / "spiece.model").write_bytes(
        model_file("spiece.model", {"\u2581a": -1.0, "\u2581dog": -2.0})
    )
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    assert counter_of("siglip").count("A dog!") == 2
