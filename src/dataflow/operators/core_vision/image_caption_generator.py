"""Captions each row's pictures."""

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
from dataflow.operators.core_vision.prompted_vqa_generator import PromptedVQAGenerator
from dataflow.operators.core_vision.prompts import Prompt
from dataflow.operators.core_vision.quality import quality_policy, with_checks
from dataflow.operators.core_vision.request_builder import RowRequests
from dataflow.operators.core_vision.run import answer_rows
from dataflow.operators.core_vision.structured import SchemaAs


class ImageCaptionGenerator(OperatorABC):
    """Gives each row's pictures a caption.

    Args:
        llm_serving: The model; one of this package's, or any `LLMServingABC`.
        system_prompt: Sent as the system message of every request.
        n: Captions of each row; more than one make a list, and need a temperature above 0.
        prompts: Asks several things about each picture, which is loaded once for all of them: each
            fills a column of its own name, instead of `output_key`. `read_prompts` reads them from
            a file.
        limits: What a picture may cost, how large it is sent, whether URLs may be private, and
            where what they led to is kept (`image_cache`).
        checks: What is asked of captions besides that they are there, the surest first: each a
            function of a text and its `CheckContext` that returns a `Verdict` or None. Those of
            this package are made by `checks_for`.
        on_reject: What becomes of a caption that a check turns down: ``"reask"`` asks again as
            helps, then flags the best answer, ``"reask-drop"`` and ``"reask-fail"`` drop
            the row or fail it then; ``"flag"``, ``"drop"`` and ``"fail"`` do that at once.
        max_asks: Asks of one caption in all, where it is asked again.
        preset: What is asked, how it is sampled and checked: a preset's name, its file's path, or
            itself; see `preset`. A `system_prompt` that is not empty wins over its own.
        schema: The JSON Schema of captions that are JSON: a dict, a file's path, or a pydantic
            model's class; see `Prompt`, also for the next two.
        spread: Whether the captions' properties become columns of their own.
        schema_as: How the model learns of the schema.

    Raises:
        UsageError: `n`, `preset` or `schema` beside `prompts`, or no prompt; no such `on_reject` or
            preset; or the schema is none.
    """

    def __init__(
        self,
        llm_serving: LLMServingABC,
        system_prompt: str,
        *,
        n: int = 1,
        prompts: Sequence[Prompt] | None = None,
        limits: Limits | None = None,
        checks: Sequence[Check] | None = None,
        on_reject: str = "reask",
        max_asks: int = MAX_ASKS,
        preset: Any = None,
        schema: Any = None,
        spread: bool = False,
        schema_as: SchemaAs = "format",
    ) -> None:
        own = n != 1 or schema is not None or preset is not None
        if prompts is not None and (own or not prompts):
            raise UsageError("give at least one prompt, and in each its own n, preset and schema")
        self.llm_serving = llm_serving
        self.system_prompt = system_prompt
        self.n = n
        self.prompts = prompts
        self.limits = limits
        self.checks = checks
        self.on_reject = on_reject
        self.max_asks = max_asks
        self.preset = preset
        self.schema, self.spread, self.schema_as = schema, spread, schema_as
        self._generator()  # what is wrong is told now

    @staticmethod
    def get_desc(lang: str = "en") -> str:
        """What the operator does, in English or (``"zh"``) Chinese."""
        if lang == "zh":
            return "用视觉语言模型为每行的图片生成描述。"
        return "Captions each row's pictures with a vision-language model."

    def run(
        self,
        storage: DataFlowStorage,
        input_modal_key: str = "image",
        output_key: str = "output",
        *,
        overwrite: bool = False,
        meta: bool = False,
    ) -> list[str]:
        """Caption the storage's current step into its next.

        Args:
            storage: A `FileStorage` streams and can be resumed; others are read and written whole.
            input_modal_key: The column with the row's picture or pictures.
            output_key: The name of the column that is added; null where a row failed.
            overwrite: Whether a column of that name may be replaced; otherwise it is an error.
            meta: Whether a column ``<output_key>_meta`` is added, too; see `PromptedVQAGenerator`.

        Returns:
            ``[output_key]``; the prompts' names where there are some; the properties where they
            are spread.

        Raises:
            UsageError: the rows have a column called `output_key` already.
            StopRunError: the run could not go on; what is done is kept, no output is written.
        """
        if self.prompts is not None:
            prompts = with_checks(self.prompts, self.checks)
            requests = RowRequests(
                system_prompt=self.system_prompt, image_key=input_modal_key, prompts=prompts
            )
            judging = quality_policy(self.checks, self.on_reject, self.max_asks, prompts)
            answer_rows(
                storage,
                self.llm_serving,
                requests,
                overwrite=overwrite,
                meta=meta,
                limits=self.limits,
                judging=judging,
            )
            return [name for prompt in self.prompts for name in prompt.column.holds]
        generator = self._generator()
        generator.run(
            storage,
            input_conversation_key="conversation",
            input_image_key=input_modal_key,
            output_answer_key=output_key,
            overwrite=overwrite,
            meta=meta,
        )
        return generator.columns(output_key)

    def _generator(self) -> PromptedVQAGenerator:
        return PromptedVQAGenerator(
            self.llm_serving,
            self.system_prompt,
            n=self.n,
            limits=self.limits,
            checks=self.checks,
            on_reject=self.on_reject,
            max_asks=self.max_asks,
            preset=self.preset,
            schema=self.schema,
            spread=self.spread,
            schema_as=self.schema_as,
        )
