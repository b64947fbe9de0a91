"""A fault kind of one's own, learned from examples."""

from __future__ import annotations

import itertools

import pytest

from dataflow.checks.model.learned import LEAST, learn, read_learned
from dataflow.checks.suite import CaptionRequirements, checks_for
from dataflow.core.errors import UsageError
from dataflow.core.protocols.check import CheckContext

WHO = ("A man", "Two women", "A child", "A dog", "The waiter", "A girl", "A cyclist")
DOES = ("sits on a bench", "waits at the station", "holds a cup", "looks at the sea")
GUESSES = ("perhaps feeling lost", "who seems happy", "probably in love", "apparently bored")
FACTS = ("with a bag", "in a blue coat", "beside a lamp", "under a tree")
FAULTY = [f"{a} {b}, {c}." for a, b, c in itertools.product(WHO, DOES, GUESSES)]
SOUND = [f"{a} {b}, {c}." for a, b, c in itertools.product(WHO, DOES, FACTS)]


@pytest.fixture(scope="module")
def guesses():
    return learn("guesses", FAULTY[::4][:28], SOUND[::4][:28] + SOUND[1::9])


def test_captions_that_were_no_examples_are_told_apart(guesses):
    own = learn("guesses", FAULTY[::3], SOUND[::3])
    rest = [text for at, text in enumerate(FAULTY) if at % 3]
    assert sum(own(text, CheckContext()) is not None for text in rest) >= 0.9 * len(rest)
    rest = [text for at, text in enumerate(SOUND) if at % 3]
    assert sum(own(text, CheckContext()) is not None for text in rest) <= 0.1 * len(rest)


def test_the_accuracy_counts_each_example_once(guesses):
    found, faulty, false, sound = guesses.accuracy
    assert faulty == 28
    assert sound == len(dict.fromkeys(SOUND[::4][:28] + SOUND[1::9]))
    assert 0 <= found <= faulty
    assert 0 <= false <= sound


def test_a_file_gives_the_same_check_back(guesses, tmp_path):
    guesses.save(tmp_path / "guesses.check.json")
    assert read_learned(str(tmp_path / "guesses.check.json")) == guesses


def test_the_same_examples_make_the_same_file(tmp_path):
    for name in ("one", "two"):
        learn("guesses", FAULTY[:20], SOUND[:20]).save(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize(
    "body", ["", "[]", "{}", "not JSON", '{"format": 2}', '{"format": 1, "kind": "a"}']
)
def test_any_other_file_is_refused_in_words(body, tmp_path):
    path = tmp_path / "other"
    path.write_text(body)
    with pytest.raises(UsageError, match="is no file that dataflow check --learn has written"):
        read_learned(str(path))


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        read_learned(str(tmp_path / "none"))


def test_too_few_examples_are_refused():
    with pytest.raises(UsageError, match=f"give {LEAST} or more"):
        learn("guesses", FAULTY[: LEAST - 1], SOUND)


def test_an_example_on_both_sides_is_refused():
    with pytest.raises(UsageError, match="among the faulty and among the sound"):
        learn("guesses", FAULTY[:20], [*SOUND[:20], FAULTY[0]])


def test_a_name_that_is_taken_is_refused(guesses):
    with pytest.raises(UsageError, match="there is a check 'guesses' already"):
        checks_for(CaptionRequirements(learned=(guesses, guesses)))


def test_it_is_one_of_the_checks(guesses):
    checks = checks_for(CaptionRequirements(learned=(guesses,)))
    assert checks["guesses"](FAULTY[0], CheckContext()).kind == "guesses"
    off = checks_for(CaptionRequirements(learned=(guesses,), disabled=frozenset({"guesses"})))
    assert "guesses" not in off
