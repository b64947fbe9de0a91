"""Is there markup left in the caption that belongs to the model's inner life or to a page?"""

from __future__ import annotations

import re

from dataflow.checks.rules.text import clipped, without_quotations
from dataflow.core.check import Check, CheckContext, Verdict, makes_check

_CHAT = re.compile(
    r"</?think(?:ing)?>|◁/?think▷"
    # the special tokens of chat templates: Qwen, Llama, Gemma, Mistral, DeepSeek, Phi, InternVL
    r"|<[|｜][\w▁ ]+[|｜]>|</?(?:s|bos|eos|pad|unk)>|\[/?INST\]|<</?SYS>>"
    r"|<(?:start|end)_of_(?:turn|text|image|utterance|sentence|header)>|</?(?:image|img|ref|box|quad|video|answer)>"
    r"|</[a-z]\w*>|<loc_?\d+>|<0x[0-9A-F]{2}>|<unused\d+>",
    re.IGNORECASE,
)
_ROLE = re.compile(
    r"(?:\A|\n)\s*(?:#+ *(?:Response|Instruction|Answer|Assistant|Input)\b|(?:ASSISTANT|USER|"
    r"SYSTEM|HUMAN)\s*:|(?:Assistant|User|Human|Asistente|Usuario|Assistent|Benutzer)\s*: "
    r"|(?:助手|用户|アシスタント|ユーザー)\s*[:：])"
)
_PAGE = re.compile(
    r"(?:\A|\n)\s*#{1,6} +\S|(?:\A|\n)\s*(?:```|~~~)"
    r"|\A\s*> +\w|\A\s*\*(?=\S)[^*]+\*\s*\Z"
    r"|\*\*(?=\S)[^*\n]+(?<=\S)\*\*|(?<!\w)__(?=\S)[^_\n]+(?<=\S)__(?!\w)"
    r"|(?:\A|\n)[ \t]*[-*•] +\S[^\n]*\n\s*[-*•] +\S"
    r"|\[[^\]\n]{1,200}\]\((?:https?:|/|#)[^)\s]*\)|(?:\A|\n)\s*\|?(?: *:?-{3,}:? *\|)+"
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

    def check(text: str, _context: CheckContext) -> Verdict | None:
        if not _SIGNS.search(text):
            return None
        shown = without_quotations(text)
        for pattern in patterns:
            if found := pattern.search(shown):
                reason = f"markup is left in it: “{clipped(found[0].strip())}”"
                return Verdict("markup", reason, follow_up)
        return None

    return check
