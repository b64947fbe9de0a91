"""Scores of datasets: references in a column or in another dataset, objects in a column."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dataflow.app.evaluation.score import score, score_value
from dataflow.app.options.evaluation.score import ScoreOptions
from dataflow.core.errors import UsageError

REFERENCES = (
    ["a red ball lies on the grass", "a ball on green grass"],
    ["two dogs run on a beach", "dogs running along the sea"],
    ["a cup of coffee on a table", "coffee in a white cup"],
)
CAPTIONS = ("a red ball on the grass", "two dogs run along a beach", "a cup on a table")
OBJECTS = (["ball", "grass"], ["dog"], ["cup", "table", "spoon"])


def dataset(folder: Path, name: str = "captions.jsonl", *, captions=CAPTIONS, **columns) -> str:
    lines = []
    for n, text in enumerate(captions):
        more = {key: values[n] for key, values in columns.items()}
        lines.append(json.dumps({"image": f"p/{n}.png", "caption": text, **more}))
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def rounded(result) -> tuple[list[float], float, float]:
    value = score_value(result)["references"]
    return (
        [round(value[f"bleu_{n}"], 4) for n in (1, 2, 3, 4)],
        round(value["rouge_l"]["value"], 4),
        round(value["cider_d"]["value"], 4),
    )


WANTED = ([1.0, 0.8864, 0.6586, 0.0001], 0.8509, 2.8715)


def test_references_may_stand_in_a_column(tmp_path):
    path = dataset(tmp_path, human=REFERENCES)
    assert rounded(score(ScoreOptions(dataset=path, references="human"))) == WANTED


def test_references_may_be_another_dataset_of_the_same_pictures(tmp_path):
    path = dataset(tmp_path)
    coco = tmp_path / "coco.json"
    images = [{"id": n, "file_name": f"{n}.png"} for n in range(3)]
    annotations = [
        {"id": 10 * n + m, "image_id": n, "caption": text}
        for n, texts in enumerate(REFERENCES)
        for m, text in enumerate(texts)
    ]
    coco.write_text(json.dumps({"images": images, "annotations": annotations}))
    assert rounded(score(ScoreOptions(dataset=path, references=str(coco)))) == WANTED


def test_captions_without_references_are_counted_and_left_out(tmp_path):
    path = dataset(tmp_path, human=[*REFERENCES[:2], []])
    found = score(ScoreOptions(dataset=path, references="human")).references
    assert (found.captions, found.unmatched) == (2, 1)


def test_long_captions_are_said_to_be_too_long_for_these_scores(tmp_path):
    long = tuple(" ".join([text] * 9) for text in CAPTIONS)
    path = dataset(tmp_path, captions=long, human=REFERENCES)
    assert score(ScoreOptions(dataset=path, references="human")).references.is_long


def test_objects_that_are_not_there_are_found(tmp_path):
    path = dataset(tmp_path, there=[["ball", "grass"], ["dog"], ["table", "spoon"]])
    synonyms = tmp_path / "synonyms.json"
    synonyms.write_text('{"cup": ["mug"]}')
    found = score(ScoreOptions(dataset=path, objects="there", synonyms=str(synonyms))).objects
    assert found.invented == {"cup": 1}
    assert found.recall.value == 4 / 5


@pytest.mark.parametrize("more", [{}, {"references": "human"}, {"objects": "nothing"}])
def test_nothing_to_hold_captions_against_is_refused(tmp_path, more):
    with pytest.raises(UsageError):
        score(ScoreOptions(dataset=dataset(tmp_path), **more))
