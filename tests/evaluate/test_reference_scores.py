"""BLEU, ROUGE-L and CIDEr-D, against the figures of public worked examples."""

from __future__ import annotations

from statistics import mean

import pytest

from dataflow.evaluate.clip_scores import clip_score, cosine, ref_clip_score
from dataflow.evaluate.reference_scores import bleu, cider_d, rouge_l, tokens_of

REFERENCES = (
    (
        "two cats are sleeping next to each other.",
        "a grey cat is cuddling with an orange cat on a blanket.",
        "the orange cat is happy that the black cat is close to it.",
    ),
    (
        "a dog is wearing ear muffs as it lies on a carpet.",
        "a black dog and an orange cat are looking at the photographer.",
        "headphones are placed on a dogs ears.",
    ),
)
"""Those of CLIPScore's repository (https://github.com/jmhessel/clipscore, example/)."""
GOOD = (
    "an orange cat and a grey cat are lying together.",
    "a black dog wearing headphones looks at the camera as an orange cat walks in the background.",
)
BAD = (
    "a calico cat and a white cat are lying together.",
    "a black dog wearing a hat looks at the camera as a tabby walks in the background.",
)
SMALL_REFERENCES = (
    ("a red ball lies on the grass", "a ball on green grass"),
    ("two dogs run on a beach", "dogs running along the sea"),
    ("a cup of coffee on a table", "coffee in a white cup"),
)
SMALL = ("a red ball on the grass", "two dogs run along a beach", "a cup on a table")


def scores(captions, references):
    texts = [tokens_of(caption) for caption in captions]
    refs = [[tokens_of(ref) for ref in row] for row in references]
    return (
        [round(score, 4) for score in bleu(texts, refs)],
        round(mean(rouge_l(texts, refs)), 4),
        round(mean(cider_d(texts, refs)), 4),
    )


def test_the_good_captions_score_as_published():
    assert scores(GOOD, REFERENCES) == ([0.6667, 0.4899, 0.3469, 0.0], 0.4280, 0.5637)


def test_the_bad_captions_score_as_published():
    [first, second, third, _], rouge, cider = scores(BAD, REFERENCES)
    assert (first, second, third) == (0.4815, 0.2404, 0.1359)
    assert (rouge, cider) == (0.3121, 0.2790)


def test_three_small_captions_score_as_the_coco_evaluation_says():
    assert scores(SMALL, SMALL_REFERENCES) == ([1.0, 0.8864, 0.6586, 0.0001], 0.8509, 2.8715)


def test_a_caption_without_references_is_refused():
    with pytest.raises(ValueError, match="at least one reference"):
        bleu([["a"]], [[]])


def test_a_clitic_is_a_word_of_its_own():
    assert tokens_of("The dog's isn't HERE, at 3.5 km!") == [
        "the", "dog", "'s", "is", "n't", "here", "at", "3.5", "km",
    ]  # fmt: skip


def test_an_empty_caption_scores_nothing_and_breaks_nothing():
    assert scores(("",), (("a dog",),))[1:] == (0.0, 0.0)


def test_clip_scores_are_those_of_the_paper():
    assert clip_score(0.25) == 0.625
    assert clip_score(-0.3) == 0.0
    assert round(ref_clip_score(0.25, [0.8, 0.1]), 4) == 0.7018


def test_a_cosine_is_that_of_the_angle():
    assert cosine([1.0, 0.0], [1.0, 1.0]) == pytest.approx(0.5**0.5)
