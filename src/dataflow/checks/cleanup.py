"""What is taken off an answer where that is asked for: thoughts, openings that say nothing."""

from __future__ import annotations

import re

_THOUGHTS = re.compile(r"<(think(?:ing)?)>.*?</\1>|◁think▷.*?◁/think▷", re.DOTALL | re.IGNORECASE)
_END_OF_THOUGHTS = re.compile(r".*(?:</think(?:ing)?>|◁/think▷)", re.DOTALL | re.IGNORECASE)

_PICTURE = r"(?:image|picture|photo(?:graph)?|illustration|drawing)"
_LEAD_IN = re.compile(
    r"\s*(?:"
    # English: "The image shows a cat", "In this picture, we can see a cat"
    rf"(?:the|this) {_PICTURE} "
    r"(?:shows|depicts|displays|features|presents|portrays|captures) (?:us )?"
    rf"|(?:here is|this is) (?:an?|the) {_PICTURE} of "
    rf"|in (?:the|this) {_PICTURE},? (?:there (?:is|are)|(?:we|you|one) (?:can )?see) "
    # German
    r"|(?:das|dieses) (?:bild|foto) zeigt "
    # French
    r"|(?:l['’]image|cette image|la photo|cette photo) (?:montre|représente|présente) "
    # Spanish
    r"|(?:la|esta) (?:imagen|foto|fotografía) (?:muestra|representa|presenta) "
    # Chinese
    r"|(?:这张|这幅|该)?(?:图片|图像|照片|画面)(?:中)?(?:展示了|显示了|描绘了|呈现了)[，,]?"
    r")(?!that |how |what |where |dass |que |qu['’])",
    re.IGNORECASE,
)


def strip_thinking(text: str) -> str:
    """`text` without what a model wrote between ``<think>`` and ``</think>``.

    Also without what stands before a ``</think>`` alone, for some chat templates put the opening
    tag into the prompt. Thoughts that do not end are left, for there is no answer after them.
    """
    rest = _END_OF_THOUGHTS.sub("", _THOUGHTS.sub("", text))
    return text if rest == text else rest.strip()


def strip_lead_in(text: str) -> str:
    """`text` without "The image shows" and the like at its beginning, with a capital instead.

    In English, German, French, Spanish and Chinese. What follows is left as it is, in German also
    an accusative ("Einen Hund am Strand.").
    """
    found = _LEAD_IN.match(text)
    rest = text[found.end() :] if found else ""
    return rest[0].upper() + rest[1:] if rest.strip() else text
