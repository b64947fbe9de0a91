"""Texts that stand where a caption belongs, and say nothing of a picture."""

from __future__ import annotations

import re

from dataflow.checks.rules.text import clipped
from dataflow.core.protocols.check import CheckContext

_WORDS = frozenset(
    {
        *("n/a", "na", "nan", "null", "none", "nil", "undefined", "error", "failed", "<na>"),
        *("<none>", "[object object]", "no caption", "missing", "tbd", "todo", "-", "--", "—", "?"),
        *(
            "image",
            "picture",
            "photo",
            "caption",
            "description",
            "text",
            "title",
            "unknown",
            "untitled",
        ),
        *(
            "test",
            "string",
            "value",
            "answer",
            "output",
            "result",
            "placeholder",
            "example",
            "empty",
        ),
        *("no text", "no description", "no title", "no image", "no answer", "no data", "no output"),
        *(
            "image description",
            "image caption",
            "alt text",
            "alt",
            "xxx",
            "xx",
            "asdf",
            "foo",
            "bar",
        ),
        *(
            "false",
            "true",
            "ok",
            "done",
            "无",
            "暂无",
            "なし",
            "없음",
            "нет",
            "kein",
            "keine",
            "aucun",
        ),
        *("ninguno", "ninguna", "nessuna", "geen", "brak", "yok", "không có", "tidak ada", "ไม่มี"),
        *(
            "foto",
            "bild",
            "imagen",
            "immagine",
            "图片",
            "画像",
            "이미지",
            "изображение",
            "lorem ipsum",
        ),
    }
)
_YES_NO = frozenset(
    [
        "yes",
        "no",
        "y",
        "n",
        "yes.",
        "no.",
        "ja",
        "nein",
        "oui",
        "non",
        "sí",
        "si",
        "no",
        "é",
        "não",
        "sim",
        "да",
        "нет",
        "是",
        "否",
        "不是",
        "はい",
        "いいえ",
        "네",
        "아니요",
        "tak",
        "nie",
        "evet",
        "hayır",
        "نعم",
        "لا",
        "हाँ",
        "नहीं",
        "ใช่",
        "ไม่",
        "có",
        "không",
        "ya",
        "tidak",
    ]
)
_BRACKETS = re.compile(
    r"\[[^\[\]\"']{0,80}\]\.?|<[^<>]{1,80}>|\{{1,2}[^{}\"':]{0,80}\}{1,2}|%\w{1,40}%|\$\{?\w{1,40}\}?|__\w{1,40}__"
)
_ROUND = re.compile(
    r"\((?:no|image|caption|description|text|photo|picture|insert|placeholder|unavailable|empty|none)\b[^()]{0,60}\)",
    re.IGNORECASE,
)
_FILE = re.compile(
    r"(?:(?:file|image|photo|picture|img)\s?[:=]?\s?)?(?:https?://|file:|[A-Za-z]:\\|[\w.~-]*/)?[^\s<>|\"]{1,200}"
    r"\.(?:jpe?g|png|gif|webp|bmp|tiff?|heic|avif|svg|txt|json|csv|mp4|pdf)",
    re.IGNORECASE,
)
_URL = re.compile(r"(?:https?|ftp|s3|gs|file)://\S{1,2000}|data:[\w/+.-]{1,60};base64,\S*")
_NAME = re.compile(
    r"(?:IMG|DSC|DSCN|DSCF|PXL|MVIMG|Screenshot|image|img|photo|pic)[-_ ]?\d[\w-]{2,40}",
    re.IGNORECASE,
)
_ENCODED = re.compile(
    r"(?=[^\s]{0,200}\d)(?=[^\s]{0,200}[a-z])(?=[^\s]{0,200}[A-Z])[A-Za-z0-9+/_-]{40,}={0,2}"
)
_HEXADECIMAL = re.compile(
    r"(?:0x)?[0-9a-f]{32,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE
)
_NUMBERS = re.compile(r"\d+(?:\.\d+)?")
_NUMBER_SIGNS = re.compile(r"[\d\s.,;:()\[\]{}<>|x×+-]+")
_LEAST_NUMBERS = 4


def placeholder(plain: str, context: CheckContext) -> str | None:
    """Why `plain`, a text without blanks around it, is no caption; None where it may be one."""
    if (len(plain) < 40 and plain.lower().strip(" .!\"'`*") in _WORDS) or plain.lower() in _WORDS:
        return f"{plain!r} stands for no caption"
    if len(plain) < 12 and plain.lower().rstrip(".!。") in _YES_NO and not _is_question(context):
        return f"{plain!r} answers another question"
    for pattern, what in _SHAPES:
        if pattern.fullmatch(plain[:_LONGEST]):
            return f"it is {what} in a caption's place: “{clipped(plain)}”"
    if _is_coordinates(plain):
        return f"it is numbers in a caption's place: “{clipped(plain)}”"
    return None


_LONGEST = 3000
_SHAPES: tuple[tuple[re.Pattern[str], str], ...] = (
    (_BRACKETS, "a placeholder"),
    (_ROUND, "a placeholder"),
    (_URL, "a link"),
    (_FILE, "a file's name"),
    (_NAME, "a file's name"),
    (_ENCODED, "data"),
    (_HEXADECIMAL, "data"),
)


def _is_question(context: CheckContext) -> bool:
    """Whether the prompt asks something to which yes or no is an answer."""
    return any(
        "?" in prompt or "？" in prompt or "yes" in prompt.lower() for prompt in context.prompts
    )


def _is_coordinates(plain: str) -> bool:
    if len(plain) > _LONGEST or not any(sign in plain for sign in "[({<,;"):
        return False
    if not _NUMBER_SIGNS.fullmatch(plain):
        return False
    return len(_NUMBERS.findall(plain)) >= _LEAST_NUMBERS
