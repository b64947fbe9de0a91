"""Is the caption an error's message, or something that only stands in a caption's place?

Tools that write what went wrong into the caption's place leave such texts behind. Sentences of
errors are known by the classifier too (`dataflow.checks.model`).
"""

from __future__ import annotations

import re
from http import HTTPStatus

from dataflow.checks.model.findings import evidence, of_form
from dataflow.checks.rules.placeholder import placeholder
from dataflow.checks.rules.text import clipped
from dataflow.core.protocols.check import CheckContext, Verdict

_BEGINNING = 300
"""Characters at the beginning in which an error's message shows."""

_ERROR = re.compile(
    r"(?:[\w.]{0,40}(?:api|http|server|internal|runtime|value|type|timeout|connection|rate ?limit)"
    r"[\w.]{0,40}"
    r"[ ]?)?(?:error|erreur|exception|fehler|错误|エラー)(?: code)?"
    r"(?:\s{0,3}[:：]|\s{1,3}[1-5]\d\d(?=\s{0,3}(?:[:：.,()–—-]|$)))"
    r"|(?:error|erreur|fehler) (?:while|when|during|beim|bei der|lors d)"
    r"|[\w.]{1,60}(?:Error|Exception)\s{0,3}[:(]"
    r"|(?:failed|unable) to (?:generate|create|get|fetch|process|load)\b[^.]{0,40}:"
    r"|traceback \(most recent call last\)|https?connectionpool\(|cuda out of memory"
    r"|(?:request|connection|read) (?:timed out|timeout|aborted|refused|reset)\b"
    r"|(?:请求|连接|网络|服务器)(?:失败|超时|错误|异常)"
    r"|[45]\d\d:? (?:internal server|bad gateway|service unavailable|too many|gateway time|"
    r"not found|forbidden|unauthorized|bad request)"
    r"|(?:an?|unknown) (?:\w+ )?error (?:has )?occurred|something went wrong|oops"
    r"|\{\s{0,9}[\"']error[\"']\s{0,9}:"
    r"|(?:<!doctype html[^>]{0,200}>\s{0,9})?<html\b"
    r"|upstream (?:connect error|request timeout|prematurely closed)"
    r"|(?:java|javax|org|com|net)\.(?:\w+\.){1,6}\w+(?:Exception|Error)\b",
    re.IGNORECASE,
)

_NO_FAULTS = {"gone", "conflict", "locked", "i'm a teapot"}  # what a picture may well be called
_STATUS_PHRASES = frozenset(
    status.phrase.lower() for status in HTTPStatus if status >= HTTPStatus.BAD_REQUEST
) - _NO_FAULTS | {"gateway time-out", "service temporarily unavailable"}
"""What servers say alone for a status of 400 and above (RFC 9110, section 15; nginx's words)."""


def is_error_message(text: str) -> bool:
    """Whether `text` begins as errors' messages do, or is an HTTP status in words."""
    plain = text.strip()[:_BEGINNING]
    return plain.rstrip(".!").lower() in _STATUS_PHRASES or _ERROR.match(plain) is not None


def error_text(text: str, context: CheckContext) -> Verdict | None:
    """A caption that begins as errors' messages do, or is a placeholder, is no caption."""
    plain = text.strip()
    if reason := placeholder(plain, context):
        return Verdict("error_text", reason)
    if is_error_message(plain):
        return Verdict("error_text", f"it is an error's message: “{clipped(plain)}”")
    if found := of_form(text, ("error",)):
        return Verdict("error_text", f"it reads as an error or a placeholder: {evidence(found)}")
    return None
