"""What one model at one endpoint takes otherwise than it is asked at first, learned as it answers.

What this program added by itself (a preset's temperature, a re-ask's seed, the form of the system
message, ``response_format``, ``stream_options``, the name ``max_tokens``) is taken back or put
another way, once and for all requests that follow. What the user gave is never dropped unasked:
the run stops with the cure, and ``drop_params`` allows it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from dataflow.core.errors import (
    BadRequestError,
    DataflowError,
    NoVisionError,
    OverloadedError,
    ParameterError,
    WrongAddressError,
)
from dataflow.core.request import Request
from dataflow.serving.openai.error_rules import ApiError
from dataflow.serving.openai.replies import api_error_of
from dataflow.serving.openai.request_body import BodyForm, merge_sampling, without_field

_log = logging.getLogger("dataflow")

_ADAPTABLE = (BadRequestError, ParameterError, NoVisionError, OverloadedError, WrongAddressError)
_STATUSES = frozenset({400, 404, 405, 415, 422, 500, 501})
_FORM_FIELDS = frozenset(one.name for one in fields(BodyForm))
_NEW_NAME = "max_completion_tokens"
_OLD_NAME = "max_tokens"
_LOOK_AT = 3000
_SYSTEM_ROLE = re.compile(
    r"system (role|message|prompt|instruction)s?\b.{0,60}\b(not|n't|un\w+|only)|"
    r"\brole\b.{0,60}\bsystem\b|\bsystem\b.{0,20}\brole\b|developer instruction|"
    r"roles? must alternate|only (the )?user and assistant|unknown role",
    re.IGNORECASE | re.DOTALL,
)
_MUST_BE_TEXT = re.compile(
    r"(must be|expected|should be|be a valid|is not)( of type| a| an| valid)* (string|str|text)\b"
    r"|value must be a string|invalid type: (sequence|array)",
    re.IGNORECASE,
)
_MUST_BE_PARTS = re.compile(
    r"(must be|expected|should be)( of type| a| an| valid)* (array|list|sequence)|"
    r"invalid type: string",
    re.IGNORECASE,
)
_SCHEMA = re.compile(
    r"response_?format|json[_ ]?(schema|mode|object)|structured[_ ]output|guided_|grammar",
    re.IGNORECASE,
)
_STREAM_ONLY = re.compile(
    r"only supports? (the )?stream|(only|requires?|must|please).{0,30}\bstream(ing)?( mode)?\b"
    r"(?!.{0,20}(false|not))|non.?stream\w*.{0,30}not support",
    re.IGNORECASE,
)
_FLAGS = {
    "temperature": "--temperature", "max_tokens": "--max-tokens", "seed": "--seed",
    "max_completion_tokens": "--max-tokens", "stream": "--stream", "detail": "--detail",
}  # fmt: skip


@dataclass(slots=True)
class Adaptations:
    """How a model is asked; shared by all clients of one serving for one model.

    Attributes:
        model: The model's name, for messages.
        drop_params: Whether the user's own parameters may be left out, too.
        base: The form to begin with.
        version: Grows with each change, so that a request knows whether it was sent before it.
        notes: What was changed, a sentence each.
    """

    model: str
    drop_params: bool = False
    base: BodyForm = field(default_factory=BodyForm)
    version: int = 0
    notes: list[str] = field(default_factory=list)
    _form: BodyForm | None = None
    _left_out: set[str] = field(default_factory=set)
    _dropped: set[str] = field(default_factory=set)
    _renamed: dict[str, str] = field(default_factory=dict)
    _is_recalled: bool = False

    @property
    def form(self) -> BodyForm:
        """In which form requests are put now."""
        return self._form or self.base

    def form_for(self, request: Request) -> BodyForm:
        """The form for `request`, with what it says itself."""
        send, gone = request.send, self._left_out | self._dropped
        detail = "" if "detail" in gone else send.detail
        is_learned = self.form.stream and not self.base.stream
        stream = None if "stream" in gone or is_learned else send.stream
        return replace(
            self.form,
            detail=detail or self.form.detail,
            stream=self.form.stream if stream is None else stream,
        )

    def sampling(self, given: Mapping[str, Any], request: Request) -> dict[str, Any]:
        """The fields that are sent: the serving's own under the request's, as the model takes them.

        Args:
            given: The serving's own.
            request: The request.
        """
        own = {
            name: value
            for name, value in request.sampling.items()
            if not (name in request.droppable and name in self._left_out)
        }
        merged = merge_sampling(given, own)
        for name in self._dropped:
            merged = without_field(merged, name)
        for old, new in self._renamed.items():
            if old in merged:
                merged.setdefault(new, merged.pop(old))
        return merged

    def adapt(self, error: DataflowError, given: Mapping[str, Any], request: Request) -> bool:
        """Change how requests are put, so that `error` does not come again.

        Args:
            error: What came of `request`.
            given: The serving's own sampling.
            request: What was asked.

        Returns:
            Whether something was changed.

        Raises:
            ParameterError: the model does not take a parameter that the user gave.
        """
        api_error = api_error_of(error)
        if api_error is None or not isinstance(error, _ADAPTABLE) or error.status not in _STATUSES:
            return False
        sent = self.sampling(given, request)
        return (
            self._rename(api_error, sent)
            or self._change_form(api_error, sent, request)
            or self._leave_out(error, api_error, sent, request)
        )

    def _rename(self, api_error: ApiError, sent: Mapping[str, Any]) -> bool:
        text = f"{api_error.param} {api_error.message[:_LOOK_AT]}"
        is_named = names_field(_OLD_NAME, api_error)
        if _OLD_NAME in sent and _NEW_NAME in text and is_named and _OLD_NAME not in self._renamed:
            self._renamed = {_OLD_NAME: _NEW_NAME}
            return self._changed(f"{self.model} knows {_OLD_NAME} as {_NEW_NAME}: sent so")
        if self._renamed and _NEW_NAME in sent and names_field(_NEW_NAME, api_error):
            self._renamed = {}
            return self._changed(f"{self.model} takes no {_NEW_NAME}: sent as {_OLD_NAME}")
        return False

    def _change_form(self, api_error: ApiError, sent: Mapping[str, Any], request: Request) -> bool:
        form, message = self.form_for(request), api_error.message[:_LOOK_AT]
        has_system = any(turn.role == "system" for turn in request.turns)
        is_about_messages = api_error.param.startswith("messages") or "message" in message.lower()
        if has_system and form.system != "question":
            if _SYSTEM_ROLE.search(message) and not _MUST_BE_TEXT.search(message):
                return self._take(
                    f"{self.model} takes no system message: its text stands before the question",
                    system="question",
                )
            if form.system == "parts" and is_about_messages and _MUST_BE_TEXT.search(message):
                return self._take(f"{self.model} takes the system message as text", system="text")
            if form.system == "text" and is_about_messages and _MUST_BE_PARTS.search(message):
                return self._take(f"{self.model} takes the system message as parts", system="parts")
        is_ours = "response_format" in request.droppable
        is_about_schema = _SCHEMA.search(f"{api_error.param} {message}")
        has_schema = "response_format" in sent and is_ours and not form.schema_in_words
        if has_schema and is_about_schema:
            return self._take(
                f"{self.model} takes no such response_format: the schema stands in the question",
                schema_in_words=True,
            )
        if form.stream and form.stream_usage and names_field("stream_options", api_error):
            return self._take(f"{self.model} takes no stream_options: not sent", stream_usage=False)
        if not form.stream and _STREAM_ONLY.search(message) and "enable_thinking" not in message:
            return self._take(f"{self.model} answers in streams alone: asked for one", stream=True)
        return False

    def _leave_out(
        self, error: DataflowError, api_error: ApiError, sent: Mapping[str, Any], request: Request
    ) -> bool:
        names = [*sent, *leaves_of(sent)]
        form = self.form_for(request)
        names += ["stream"] * form.stream + ["detail"] * bool(form.detail)
        named = [name for name in names if names_field(name, api_error)]
        back = {new: old for old, new in self._renamed.items()}
        ours = [
            name
            for name in named
            if back.get(name, name) in request.droppable
            and back.get(name, name) not in self._left_out
        ]
        if ours:
            self._left_out |= {back.get(name, name) for name in ours}
            values = ", ".join(f"{name} {sent.get(name)!r:.60}" for name in ours)
            return self._changed(f"{self.model} does not take {values}: left out from now on")
        if not named:
            return False
        name = max(named, key=len)
        if not self.drop_params:
            raise self._parameter_error(error, name) from None
        return self._drop(name, sent)

    def _drop(self, name: str, sent: Mapping[str, Any]) -> bool:
        note = f"{self.model} does not take {name}: left out from now on, as --drop-params allows"
        if name in ("detail", "stream"):
            self._dropped.add(name)
            changed: dict[str, Any] = {"detail": ""} if name == "detail" else {"stream": False}
            return self._take(note, **changed)
        back = {new: old for old, new in self._renamed.items()}
        self._dropped |= {name, back.get(name, name)}
        return self._changed(note)

    def _parameter_error(self, error: DataflowError, name: str) -> ParameterError:
        flag = _FLAGS.get(name, f"--body {name}=…")
        reason = error.message.partition(" – ")[0]
        api_error = api_error_of(error)
        is_certain = api_error is not None and api_error.param.startswith(name.partition(".")[0])
        found = ParameterError(
            f"{reason} – {self.model} does not take the {name} that you gave: change {flag} or "
            "leave it out, or allow that it is left out with --drop-params (in Python "
            "drop_params=True)",
            is_vague=not is_certain,
        )
        return found if error.status is None else found.with_status(error.status)

    def plain(self, request: Request) -> Adaptations | None:
        """These, with all that is ours taken back; None where nothing is.

        For a server that rejects requests without saying why.
        """
        has_system = any(turn.role == "system" for turn in request.turns)
        left = request.droppable - {"response_format"} - self._left_out
        form = replace(
            self.form,
            system="question" if has_system else self.form.system,
            schema_in_words=self.form.schema_in_words or "response_format" in request.droppable,
            stream_usage=self.form.stream_usage and not self.form.stream,
        )
        if form == self.form and not left & request.sampling.keys():
            return None
        return replace(self, _form=form, _left_out=self._left_out | left, notes=[])

    def learned(self) -> dict[str, Any]:
        """What is known of the model beyond `base`, as plain JSON; empty for nothing."""
        if not self.version and not self._is_recalled:
            return {}
        base = asdict(self.base)
        form = {name: value for name, value in asdict(self.form).items() if value != base[name]}
        return {
            "form": form,
            "left_out": sorted(self._left_out),
            "dropped": sorted(self._dropped),
            "renamed": dict(self._renamed),
            "notes": list(self.notes),
        }

    def recall(self, learned: Mapping[str, Any]) -> None:
        """Begin with what an earlier run has learned; what of it is not known today is passed over.

        What the user gave and the model does not take is left out only where that is still allowed.
        """
        form = learned.get("form") or {}
        is_kept = {"stream", "detail"} if not self.drop_params else set()
        changed = {
            name: value
            for name, value in form.items()
            if name in _FORM_FIELDS and not (name in is_kept and getattr(self.base, name))
        }
        self._form = replace(self.base, **changed)
        self._left_out = set(learned.get("left_out") or ())
        self._dropped = set(learned.get("dropped") or ()) if self.drop_params else set()
        self._renamed = dict(learned.get("renamed") or {})
        self.notes = [note for note in learned.get("notes") or () if isinstance(note, str)]
        self._is_recalled = True
        for note in self.notes:
            _log.info("%s (learned in an earlier run)", note)

    def adopt(self, other: Adaptations) -> None:
        """Ask as `other` does from now on."""
        self._form, self._left_out = other._form, other._left_out
        self._changed(
            f"{self.model} takes requests only without the parameters and the system message that "
            "this program adds: left out, or put before the question, from now on"
        )

    def send_only_jpeg(self) -> None:
        """Send each PNG as a JPEG from now on."""
        if not self.form.only_jpeg:
            self._take(f"{self.model} reads no PNG: sent as JPEG from now on", only_jpeg=True)

    def _take(self, note: str, **changed: Any) -> bool:
        self._form = replace(self.form, **changed)
        return self._changed(note)

    def _changed(self, note: str) -> bool:
        self.version += 1
        self.notes.append(note)
        _log.warning("%s", note)
        return True


def leaves_of(sampling: Mapping[str, Any], path: str = "", depth: int = 5) -> Iterable[str]:
    """The dotted names of the fields inside objects."""
    for name, value in sampling.items():
        if isinstance(value, Mapping) and depth and name != "response_format":
            for inner in value:
                yield f"{path}{name}.{inner}"
            yield from leaves_of(value, f"{path}{name}.", depth - 1)


def names_field(name: str, api_error: ApiError) -> bool:
    """Whether a server's error is about the field `name`: by its ``param``, or by its words.

    A name that is an ordinary word counts only where it stands as a name does: in quotes, or with
    words such as "parameter" and "not supported" near it.
    """
    param = api_error.param.replace("[", ".").replace("]", "")
    leaf = name.rpartition(".")[2]
    camel = re.sub(r"_(\w)", lambda found: found[1].upper(), leaf)  # xAI: frequencyPenalty
    parts = [part for part in param.split(".") if part]
    if param and not param.startswith("messages") and (parts[:1] == [name] or leaf in parts):
        return True
    text = api_error.message[:_LOOK_AT]
    word = re.escape(leaf)
    if "_" in leaf:
        return re.search(rf"(?<![\w-])({word}|{camel})(?![\w-])", text) is not None
    near = (
        rf"['\"`\[({{]\s*{word}\s*['\"`\])}}]"
        rf"|\b(parameter|argument|field|property|option|param|key|keyword|input)s?\b"
        rf"[^.\n]{{0,40}}?[\s:=]{word}\b"
        rf"|(supplied|permitted|allowed|unsupported|unrecognized|unknown|unexpected|invalid)\S{{0,2}}"
        rf"(\s\w+){{0,3}}:?\s{word}\b"
        rf"|(?<![\w-]){word}\b[^.\n]{{0,30}}?(not (be )?(supported|allowed|permitted|recognized"
        rf"|accepted|valid|available)|unsupported|deprecated|must be|cannot be|can't be|should be"
        rf"|unexpected|too (large|high|low)|out of range|is fixed|only)"
    )
    return re.search(near, text, re.IGNORECASE) is not None
