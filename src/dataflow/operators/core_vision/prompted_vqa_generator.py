"""Asks a vision-language model about each row's pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dataflow.core.check import Check
from dataflow.core.errors import UsageError
from dataflow.core.operator import OperatorABC
from dataflow.core.serving import LLMServingABC
from dataflow.core.storage import DataFlowStorage
from dataflow.engine.quality.reject_policy import MAX_ASKS
from dataflow.images.base.limits import Limits
from dataflow.operators.core_vision.prompts import Prompt
from dataflow.operators.core_vision.quality import quality_policy, with_checks
from dataflow.operators.core_vision.request_builder import RowRequests
from dataflow.operators.core_vision.run import answer_rows
from dataflow.operators.core_vision.structured import SchemaAs

DEFAULT_SYSTEM = "You are a helpful assistant."


class PromptedVQAGenerator(OperatorABC):
    """Answers each row's question about its pictures.

    Args:
        serving: The model; one of this package's, or any `LLMServingABC`.
        system_prompt: Sent as the system message of every request.
        prompt_template: Makes the question of the row's fields: a text with ``{column}`` places,
            or an object whose ``build_prompt(**fields)`` returns the text.
        n: Answers to each row; more than one make a list, and need a temperature above 0.
        limits: What a picture may cost, how large it is sent, whether URLs may be private, and
            where what they led to is kept (`image_cache`).
        checks: What is asked of captions besides that they are there, the surest first: each a
            function of a text and its `CheckContext` that returns a `Verdict` or None. Those of
            this package are made by `checks_for`.
        on_reject: What becomes of an answer that a check turns down: ``"reask"`` asks again as
            helps, then flags the best answer, ``"reask-drop"`` and ``"reask-fail"`` drop
            the row or fail it then; ``"flag"``, ``"drop"`` and ``"fail"`` do that at once.
        max_asks: Asks of one answer in all, where it is asked again.
        preset: What is asked, how it is sampled and checked: a preset's name, its file's path, or
            itself. A `system_prompt` of one's own and a template win over it.
        schema: The JSON Schema of answers that are JSON: a dict, a file's path, or a pydantic
            model's class; see `Prompt`, also for the next two.
        spread: Whether the answers' properties become columns of their own.
        schema_as: How the model learns of the schema.

    Raises:
        MissingPackageError: there is a schema, and `jsonschema` is not installed.
        UsageError: the schema is none or cannot be spread, or there is no such preset.
    """

    def __init__(
        self,
        serving: LLMServingABC,
        system_prompt: str = DEFAULT_SYSTEM,
        prompt_template: Any = None,
        *,
        n: int = 1,
        limits: Limits | None = None,
        checks: Sequence[Check] | None = None,
        on_reject: str = "reask",
        max_asks: int = MAX_ASKS,
        preset: Any = None,
        schema: Any = None,
        spread: bool = False,
        schema_as: SchemaAs = "format",
    ) -> None:
        self.serving = serving
        self.system_prompt = system_prompt
        self.prompt_template = prompt_template
        self.n = n
        self.limits = limits
        self.checks = checks
        self.on_reject = on_reject
        self.max_asks = max_asks
        self.preset = preset
        self.schema, self.spread, self.schema_as = schema, spread, schema_as
        self._prompt("answer")  # what is wrong is told now
        quality_policy(checks, on_reject, max_asks)

    def columns(self, output_answer_key: str) -> list[str]:
        """The columns that are added: `output_answer_key`, or the properties that are spread."""
        return list(self._prompt(output_answer_key).column.holds)

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
        prompts = with_checks([self._prompt(output_answer_key)], self.checks)
        requests = RowRequests(
            system_prompt=self.system_prompt,
            image_key=input_image_key,
            conversation_key=input_conversation_key,
            prompt_key=input_prompt_key,
            prompts=prompts,
        )
        answer_rows(
            storage,
            self.serving,
            requests,
            overwrite=overwrite,
            meta=meta,
            limits=self.limits,
            judging=quality_policy(self.checks, self.on_reject, self.max_asks, prompts),
        )
        return output_answer_key

    def _prompt(self, name: str) -> Prompt:
        return Prompt(
            name,
            template=self.prompt_template,
            n=self.n,
            preset=self.preset,
            system=None if self.system_prompt in ("", DEFAULT_SYSTEM) else self.system_prompt,
            schema=self.schema,
            spread=self.spread,
            schema_as=self.schema_as,
        )
