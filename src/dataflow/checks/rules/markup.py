"""Is there markup left in the caption that belongs to the model's inner life or to a page?"""

from __future__ import annotations

import json
import re

from dataflow.checks.rules.text import clipped, without_quotations
from dataflow.core.protocols.check import Check, CheckContext, Verdict, makes_check

_CHAT = re.compile(
    r"</?think(?:ing)?>|◁/?think▷"
    # the special tokens of chat templates: Qwen, Llama, Gemma, Mistral, DeepSeek, Phi, InternVL
    r"|<[|｜][\w▁ ]+[|｜]>|</?(?:s|bos|eos|pad|unk)>|\[/?INST\]|<</?SYS>>"
    r"|<(?:start|end)_of_(?:turn|text|image|utterance|sentence|header)>|</?(?:image|img|ref|box|quad|video|answer)>"
    r"|</[a-z]\w*>|<loc_?\d+>|<0x[0-9A-F]{2}>|<unused\d+>",
    re.IGNORECASE,
)
_ROLE = re.compile(
    r"(?:\A|\n)[ \t]*(?:#+ *(?:Response|Instruction|Answer|Assistant|Input)\b|(?:ASSISTANT|USER|"
    r"SYSTEM|HUMAN)\s*:|(?:Assistant|User|Human|Asistente|Usuario|Assistent|Benutzer)\s*: "
    r"|(?:助手|用户|アシスタント|ユーザー)\s*[:：])"
)
_PAGE = re.compile(
    r"(?:\A|\n)[ \t]*#{1,6} +\S|(?:\A|\n)[ \t]*(?:```|~~~)"
    r"|\A\s*> +\w|\A\s*\*(?=\S)[^*]+\*\s*\Z"
    r"|\*\*(?=\S)[^*\n]+(?<=\S)\*\*|(?<!\w)__(?=\S)[^_\n]+(?<=\S)__(?!\w)"
    r"|(?:\A|\n)[ \t]*[-*•] +\S[^\n]*\n(?:[ \t]*\n)?[ \t]*[-*•] +\S"
    r"|\[[^\]\n]{1,200}\]\((?:https?:|/|#)[^)\s]*\)|(?:\A|\n)[ \t]*(?:\|[ \t]*)?:?-{3,}:?[ \t]*\|"
    r"|</?(?:p|br|b|i|em|strong|div|span|ul|ol|li|h[1-6]|a|html|body|table|td|tr)\b[^<>\n]*/?>"
    r"|&(?:amp|lt|gt|quot|nbsp|#\d+);",
    re.IGNORECASE,
)
_SIGNS = re.compile(r"[<>*_#`\[|&:：•◁~-]")


@makes_check
def markup(*, plain: bool = True) -> Check:
    """A check for markup that is left over; in quotations it is what the picture shows.

    Args:
        plain: Whether plain text is asked for, so that Markdown and HTML are faults too. Think
            tags, tokens of chat templates and speakers' names are faults in any case.
    """
    patterns = (_CHAT, _ROLE, _PAGE) if plain else (_CHAT, _ROLE)
    follow_up = "Plain text, without Markdown." if plain else "The answer alone, without tags."

    def check(text: str, context: CheckContext) -> Verdict | None:
        if _is_json(text) and not any("json" in prompt.lower() for prompt in context.prompts):
            reason = f"the caption stands in JSON: “{clipped(text)}”"
            return Verdict("markup", reason, "Plain text, without JSON.")
        if not _SIGNS.search(text):
            return None
        shown = without_quotations(text)
        for pattern in patterns:
            found = next(
                (one for one in pattern.finditer(shown) if not _is_shown(shown, one)), None
            )
            if found is not None:
                reason = f"markup is left in it: “{clipped(found[0].strip())}”"
                return Verdict("markup", reason, follow_up)
        return None

    return check


_SHOWN_BEFORE = re.compile(
    r"\b(?:tags?|tokens?|text|words?|code|html|xml|symbols?|string|letters|reads?|reading|says?"
    r"|saying|written|printed|label+ed|marked|titled|displays?|typed|painted|stitched|steht"
    r"|aufschrift|balise|texte|etiqueta|texto|dice|etichetta|scritta|тег|текст|надпись)"
    r"\W{1,3}(?:of |with |the )?$|(?:标签|写着|字样|显示|タグ|文字|태그)\W?$",
    re.IGNORECASE,
)
_SHOWN_AFTER = re.compile(
    r"\W{0,2}(?:tags?\b|tokens?\b|(?:is |are |was |has been )?(?:written|printed|painted|shown"
    r"|visible|displayed|stitched|tattooed)\b|on (?:a|an|the|his|her|its)\b"
    r"|in (?:large|small|white|black|red|green|blue|bold|neon)\b"
    r"|steht\b|est (?:écrit|affiché)|está escrito|的字样|と書)",
    re.IGNORECASE,
)


def _is_shown(text: str, found: re.Match[str]) -> bool:
    """Whether the caption says of the markup that was `found` that the picture shows it."""
    start, end = found.start(), found.end()
    if not text[:start].strip() or "\n" in found[0]:
        return False
    before = text[max(0, start - 30) : start]
    return bool(_SHOWN_BEFORE.search(before) or _SHOWN_AFTER.match(text, end, end + 30))


def _is_json(text: str) -> bool:
    """Whether `text` is one object or list of JSON."""
    plain = text.strip()
    if plain[:1] not in {"{", "["} or plain[-1:] not in {"}", "]"}:
        return False
    try:
        return bool(json.loads(plain))
    except (ValueError, RecursionError):
        return False
