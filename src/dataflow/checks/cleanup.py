"""What is taken off an answer where that is asked for: thoughts, and talk around the caption."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from dataflow.checks.rules.thought_tags import without_tagged_thoughts

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
    """`text` without what a model wrote between ``<think>`` and ``</think>``, or said it thought.

    Also without what stands before a ``</think>`` alone, for some chat templates put the opening
    tag into the prompt, and without sentences at the beginning that are thoughts without tags.
    Thoughts that do not end are left, for there is no answer after them.
    """
    return _without(without_tagged_thoughts(text), ("thoughts",), "head")


def strip_lead_in(text: str) -> str:
    """`text` without "Sure! Here is the caption:", "The image shows" and the like at its beginning.

    What the model says to the person who asked is known in some 25 languages, "The image shows" in
    English, German, French, Spanish and Chinese; a capital is put instead. What follows is left as
    it is, in German also an accusative ("Einen Hund am Strand.").
    """
    text = _without(text, ("lead_in",), "head")
    found = _LEAD_IN.match(text)
    rest = text[found.end() :] if found else ""
    return rest[0].upper() + rest[1:] if rest.strip() else text


def strip_lead_out(text: str) -> str:
    """`text` without "Let me know if you need more detail!" and the like at its end."""
    return _without(text, ("lead_out",), "tail")


def repair(text: str) -> str:
    """`text` without thoughts and without talk to the person who asked, before it or after it."""
    return _without(_without(strip_thinking(text), ("lead_in",), "head"), ("lead_out",), "tail")


def strip_json_wrapping(text: str) -> str:
    """The JSON in `text` without a byte-order mark, thoughts, a code fence, or words around it.

    Words are taken off only where what is between them is one whole object or list of JSON.
    """
    plain = text.removeprefix("\ufeff").strip().removeprefix("\ufeff")
    if _is_json(plain):
        return plain
    plain = strip_thinking(plain)
    fenced = _FENCE.search(plain)
    if fenced is not None:
        end = plain.find("```", fenced.end())
        plain = plain[fenced.end() : end if end >= 0 else len(plain)].strip()
    if _is_json(plain):
        return plain
    starts = [at for at in map(plain.find, "{[") if at >= 0]
    if not starts:
        return text
    inner = plain[min(starts) : max(map(plain.rfind, "}]")) + 1]
    return inner if inner and _is_json(inner) else plain if fenced else text


_FENCE = re.compile(r"```[ \t]*(?:json|JSON)?[ \t]*\n?")


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _without(text: str, forms: Sequence[str], place: str) -> str:
    """`text` without the sentences at one end that are one of `forms`; all of it where all are."""
    from dataflow.checks.model.findings import findings  # the classifier loads its weights

    found = [one for one in findings(text) if one.place == place]
    if place == "head":
        cut = 0
        for one in found:
            if one.form not in forms:
                break
            cut = one.segment.end
        rest = text[cut:].lstrip() if cut else text
    else:
        cut = len(text)
        for one in reversed(found):
            if one.form not in forms:
                break
            cut = one.segment.start
        rest = text[:cut].rstrip() if cut < len(text) else text
    return rest or text
