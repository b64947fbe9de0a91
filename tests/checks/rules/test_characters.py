"""Broken characters are found, and characters that only look strange are not."""

from __future__ import annotations

import pytest

from dataflow.checks.rules.characters import characters, control
from dataflow.core.protocols.check import CheckContext

CONTROL = [
    "A dog\x00 runs.",
    "A dog \x1b[31mruns\x1b[0m.",
    "\x1b]52;c;aGk=\x07A dog.",
    "A dog\u202e sunr.",
    "A dog \ud83d runs.",
    "A\x08 dog.",
    "A dog\x85 runs.",
    "A dog\U000e0041\U000e0042 runs.",
    "A \u2067dog\u2069 runs.",
]
BROKEN = [
    "A dog \ufffd runs on a beach.",
    "Ein BÃ¤r lÃ¤uft Ã¼ber die BrÃ¼cke.",
    "ä¸€åªç‹—åœ¨æµ·æ»©ä¸Šå¥”è·‘ã€‚",
    "Itâ€™s a dog.",
    "ÐºÐ¾ÑˆÐºÐ° Ð½Ð° Ð¾ÐºÐ½Ðµ",
    "30 Â°C on the thermometer",
    "ĠA Ġdog Ġruns",
    "AĠdogĠruns",
    "▁A ▁dog ▁runs",
    "the собака 犬 كلب runs",
    "xkqj wvzt prlmn bcdfg hjklm",
]
SOUND = [
    "A café in São Tomé.",
    "👨‍👩‍👧‍👦 at the beach 🏖️",
    "A flag 🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f over a stadium.",
    "سگی در ساحل می‌دود.",
    "\u202bכלב רץ\u202c",
    "एक कुत्ता दौड़ता है।",
    "A sign reads SÃO PAULO.",
    "« LE CAFÉ»",
    "CÂY CÀ PHÊ",
    "LÃ NG NGHỀ",
    "A sign “MAÇÔ”.",
    "Il-belt ta' Ġonna u Ġebel",
    "A dog\tand\na cat.",
    "Москва, 東京 and Seoul on a map.",
    "Strč prst skrz krk is written on a wall.",
    "Two rhythm sticks, HTTPS and XML on a board.",
    "",
]


@pytest.mark.parametrize("text", CONTROL)
def test_control_characters_are_found(text: str):
    verdict = control(text, CheckContext())
    assert verdict is not None
    assert verdict.kind == "control"
    assert verdict.reason.isprintable()


@pytest.mark.parametrize("text", BROKEN)
def test_wrongly_decoded_text_is_found(text: str):
    verdict = characters(text, CheckContext())
    assert verdict is not None
    assert verdict.kind == "characters"


@pytest.mark.parametrize("text", SOUND)
def test_characters_of_other_languages_are_sound(text: str):
    assert control(text, CheckContext()) is None
    assert characters(text, CheckContext()) is None
