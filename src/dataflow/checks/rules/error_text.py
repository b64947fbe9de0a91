"""Is the caption an error's message, or a word that stands for nothing?

Tools that write what went wrong into the caption's place leave such texts behind.
"""

from __future__ import annotations

import re

from dataflow.checks.rules.text import clipped
from dataflow.core.check import CheckContext, Verdict

_PLACEHOLDERS = {
    *("n/a", "na", "nan", "null", "none", "nil", "undefined", "error", "failed", "<na>", "<none>"),
    *("[object object]", "no caption", "missing", "tbd", "todo", "-", "--", "—", "?"),
}
_ERROR = re.compile(
    r"(?:[\w.]*(?:api|http|server|internal|runtime|value|type|timeout|connection|rate ?limit)[\w.]*"
    r"[ ]?)?(?:error|erreur|exception|fehler|错误|エラー)(?: code)?"
    r"(?:\s*[:：]|\s+[1-5]\d\d(?=\s*(?:[:：.,()–—-]|$)))"
    r"|(?:error|erreur|fehler) (?:while|when|during|beim|bei der|lors d)"
    r"|[\w.]+(?:Error|Exception)\s*[:(]"
    r"|(?:failed|unable) to (?:generate|create|get|fetch|process|load)\b[^.]{0,40}:"
    r"|traceback \(most recent call last\)|https?connectionpool\(|cuda out of memory"
    r"|(?:request|connection|read) (?:timed out|timeout|aborted|refused|reset)\b"
    r"|(?:请求|连接|网络|服务器)(?:失败|超时|错误|异常)"
    r"|[45]\d\d:? (?:internal server|bad gateway|service unavailable|too many|gateway time|"
    r"not found|forbidden|unauthorized|bad request)"
    r"|(?:an?|unknown) (?:\w+ )?error (?:has )?occurred|something went wrong|oops"
    r"|\s*\{\s*[\"']error[\"']\s*:"
    r"|(?:<!doctype html[^>]*>\s*)?<html\b",
    re.IGNORECASE,
)


def error_text(text: str, _context: CheckContext) -> Verdict | None:
    """A caption that begins as errors' messages do, or is a placeholder, is no caption."""
    plain = text.strip()
    if plain.lower() in _PLACEHOLDERS:
        return Verdict("error_text", f"{plain!r} stands for no caption")
    if _ERROR.match(plain):
        return Verdict("error_text", f"it is an error's message: “{clipped(plain)}”")
    return None
