"""Asks a vision-language model about each row's pictures."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dataflow.billing.price_list import price_for
from dataflow.checks.empty import empty
from dataflow.core.dataset import Shape
from dataflow.core.errors import InputError, RowError, UsageError
from dataflow.core.operator import OperatorABC
from dataflow.core.request import Request
from dataflow.core.row import Row
from dataflow.core.serving import EngineServing, LLMServingABC
from dataflow.core.storage import DataFlowStorage, StreamingStorage
from dataflow.engine.entry import Entry
from dataflow.engine.intake import refuse_columns
from dataflow.engine.job import UNPRICED, Output, Plan
from dataflow.engine.lists import entries_of
from dataflow.engine.meta import added_columns, meta_key, meta_of
from dataflow.engine.runner import run
from dataflow.operators.core_vision.row_requests import RowRequests
from dataflow.serving.foreign import ForeignServing

_log = logging.getLogger("dataflow")


class PromptedVQAGenerator(OperatorABC):
    """Answers each row's question about its pictures.

    Args:
        serving: The model; one of this package's, or any `LLMServingABC`.
        system_prompt: Sent as the system message of every request.
        prompt_template: Makes the question of the row's fields: a text with ``{column}`` places,
            or an object whose ``build_prompt(**fields)`` returns the text.
    """

    def __init__(
        self,
        serving: LLMServingABC,
        system_prompt: str = "You are a helpful assistant.",
        prompt_template: Any = None,
    ) -> None:
        self.serving = serving
        self.system_prompt = system_prompt
        self.prompt_template = prompt_template

    @staticmethod
    def get_desc(lang: str = "en") -> str:
        """What the operator does, in English or (``"zh"``) Chinese."""
        if lang == "zh":
            return "根据每行的图片和问题，用视觉语言模型生成回答。"
        return "Answers each row's question about its pictures with a vision-language model."

    def run(
        self,
        storage: DataFlowStorage,
        input_conversation_key: str = "conversation",
        input_prompt_key: str | None = None,
        input_image_key: str | None = None,
        input_video_key: str | None = None,
        output_answer_key: str = "answer",
        *,
        overwrite: bool = False,
        meta: bool = False,
    ) -> str:
        """Answer the storage's current step into its next.

        Args:
            storage: A `FileStorage` streams and can be resumed; others are read and written whole.
            input_conversation_key: The column with the row's turns; rows may lack it.
            input_prompt_key: The column with the row's question, instead of a conversation.
            input_image_key: The column with the row's picture or pictures; None for text only.
            input_video_key: Not supported; must be None.
            output_answer_key: The name of the column that is added; null where a row failed.
            overwrite: Whether a column of that name may be replaced; otherwise it is an error.
            meta: Whether a column ``<output_answer_key>_meta`` is added, too, with status, finish
                reason, attempts, seconds, model, tokens and cost (US dollars) of each row.

        Returns:
            `output_answer_key`.

        Raises:
            UsageError: an argument is wrong, or the rows have a column called
                `output_answer_key` already.
            StopRunError: the run could not go on; what is done is kept, no output is written.
        """
        if input_video_key is not None:
            raise UsageError("videos are not supported; leave input_video_key out")
        serving = (
            self.serving
            if isinstance(self.serving, EngineServing)
            else ForeignServing(self.serving)
        )
        keys = {
            "system_prompt": self.system_prompt,
            "prompt_template": self.prompt_template,
            "conversation_key": input_conversation_key,
            "prompt_key": input_prompt_key,
            "image_key": input_image_key,
        }
        columns = _Columns(output_answer_key, overwrite, meta)
        if isinstance(storage, StreamingStorage):
            _run_stream(storage, serving, keys, columns)
        else:
            _run_lists(storage, serving, keys, columns)
        return output_answer_key


@dataclass(frozen=True, slots=True)
class _Columns:
    """The columns that are added."""

    answer: str
    overwrite: bool
    has_meta: bool

    @property
    def meta(self) -> str | None:
        return meta_key(self.answer) if self.has_meta else None

    def shapes(self) -> dict[str, Shape | None]:
        return added_columns(self.answer, self.meta)

    def of(self, entry: Entry) -> dict[str, Any]:
        values: dict[str, Any] = {self.answer: entry.caption}
        return {**values, self.meta: meta_of(entry)} if self.meta else values


def _run_stream(
    storage: StreamingStorage, serving: EngineServing, keys: dict[str, Any], columns: _Columns
) -> None:
    picture_key = keys["image_key"] or "image"
    step = storage.open_step(picture_key=picture_key, columns=columns.shapes())
    plan = Plan(
        reader=step.reader,
        request_of=RowRequests(folders=step.folders, **keys),
        serving=serving,
        output=Output(
            step.output, columns.answer, step.open_writer, columns.overwrite, columns.meta
        ),
        checks=[empty],
        price=price_for(serving),
        live_price=price_for(serving, live=True),
    )
    summary = run(plan)
    _log.info("%d of %d rows answered into %s", summary.captioned, summary.rows, summary.output)
    if summary.failed:
        _log.warning("%d rows failed; see %s", sum(summary.failed.values()), summary.errors)


def _run_lists(
    storage: DataFlowStorage, serving: EngineServing, keys: dict[str, Any], columns: _Columns
) -> None:
    data = storage.read("dict")
    rows: list[dict[str, Any]] = data.to_dict("records") if hasattr(data, "to_dict") else data
    if not isinstance(rows, list):
        raise InputError(
            f"{type(storage).__name__}.read('dict') gave {type(data).__name__}; a list of dicts "
            "or a DataFrame is needed"
        )
    names = list(columns.shapes())
    for index, fields in enumerate(rows if not columns.overwrite else ()):
        refuse_columns(names, fields, f"row {index}")
    requests = _requests(rows, RowRequests(folders=[os.curdir], **keys))
    price = price_for(serving) if columns.has_meta else UNPRICED
    entries = entries_of(serving, requests, checks=[empty], price=price)
    for index, entry in enumerate(entries):
        if entry.caption is None:
            _log.warning("row %d has no answer: %s (%s)", index, entry.error, entry.error_kind)
    added = [columns.of(entry) for entry in entries]
    if rows is data:
        storage.write([{**row, **more} for row, more in zip(rows, added, strict=True)])
    else:
        storage.write(data.assign(**{name: [more[name] for more in added] for name in names}))


def _requests(rows: list[dict[str, Any]], make: RowRequests) -> Sequence[Request | RowError]:
    requests: list[Request | RowError] = []
    for index, fields in enumerate(rows):
        try:
            requests.append(make(Row(index, fields, f"row {index}")))
        except RowError as error:  # noqa: PERF203 - each row fails by itself
            requests.append(error)
    return requests
