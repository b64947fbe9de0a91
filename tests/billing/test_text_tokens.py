"""About how many tokens a text is, beside what OpenAI's vocabularies make of it."""

from __future__ import annotations

import pytest

from dataflow.billing.text_tokens import text_tokens

COUNTED = [  # text, tokens in o200k, tokens in cl100k
    ("Please describe the image in detail.", 7, 7),
    (
        (
            "You are a careful captioner. Describe every object, its colour, its position and its "
            "relation to the others. Do not speculate; write 3-5 sentences, in plain English, "
            "without markdown."
        ),
        41,
        41,
    ),
    (
        (
            'Answer as JSON: {"caption": "...", "objects": [{"name": "...", "box": [0, 0, 1, '
            '1]}], "nsfw": false}'
        ),
        39,
        39,
    ),
    ("1girl, solo, long hair, looking at viewer, smile, blush, simple background", 18, 18),
    (
        (
            "Bitte beschreibe das Bild ausführlich und nenne alle Gegenstände, die darauf zu "
            "sehen sind."
        ),
        21,
        24,
    ),
    ("请详细描述这张图片，包括所有物体、颜色、位置以及它们之间的关系。", 21, 32),
    ("この画像を詳しく説明してください。色や位置も含めてください。", 17, 23),
    ("Пожалуйста, подробно опишите изображение и все предметы на нём.", 17, 29),
    ("يرجى وصف الصورة بالتفصيل وذكر جميع العناصر الموجودة فيها.", 15, 39),
    ("이미지를 자세히 설명해 주세요. 모든 물체와 색상을 포함하세요.", 17, 31),
    ("कृपया छवि का विस्तार से वर्णन करें और सभी वस्तुओं का उल्लेख करें।", 20, 65),
]


@pytest.mark.parametrize(("text", "o200k", "cl100k"), COUNTED)
def test_the_bounds_hold_for_prompts_in_many_languages(text, o200k, cl100k):
    told, around = text_tokens([text], turns=0), text_tokens([], turns=0)
    assert told.low - around.low <= min(o200k, cl100k)
    assert max(o200k, cl100k) <= told.high - around.high


def test_an_english_prompt_is_told_nearly_right():
    told = text_tokens([COUNTED[1][0]], turns=0).likely - text_tokens([], turns=0).likely
    assert told == pytest.approx(COUNTED[1][1], rel=0.1)


def test_every_turn_has_marks_around_it():
    assert text_tokens(["a", "b"], turns=2).likely > text_tokens(["a", "b"], turns=1).likely
