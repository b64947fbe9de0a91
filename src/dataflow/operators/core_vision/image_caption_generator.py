"""Captions each row's pictures."""

from __future__ import annotations

from collections.abc import Sequence

from dataflow.core.check import Check
from dataflow.core.errors import UsageError
from dataflow.core.operator import OperatorABC
from dataflow.core.serving import LLMServingABC
from dataflow.core.storage import DataFlowStorage
from dataflow.engine.rejects import MAX_ASKS
from dataflow.images.limits import Limits
from dataflow.operators.core_vision.answering import answer_rows
from dataflow.operators.core_vision.judging import judging_by
from dataflow.operators.core_vision.prompted_vqa_generator import PromptedVQAGenerator
from dataflow.operators.core_vision.prompts import Prompt
from dataflow.operators.core_vision.row_requests import RowRequests


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
            function of a text and its `Context` that returns a `Verdict` or None. Those of this
            package are made by `checks_for`.
        on_reject: What becomes of a caption that a check turns down: ``"reask"`` asks again as
            helps, then flags the best answer, ``"reask-drop"`` and ``"reask-fail"`` drop
            the row or fail it then; ``"flag"``, ``"drop"`` and ``"fail"`` do that at once.
        max_asks: Asks of one caption in all, where it is asked again.

    Raises:
        UsageError: both `n` and `prompts`, or no prompt; no such `on_reject`.
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
    ) -> None:
        if prompts is not None and (n != 1 or not prompts):
            raise UsageError("give at least one prompt, and in each its own n")
        self.llm_serving = llm_serving
        self.system_prompt = system_prompt
        self.n = n
        self.prompts = prompts
        self.limits = limits
        self.checks = checks
        self.on_reject = on_reject
        self.max_asks = max_asks
        self._judging = judging_by(checks, on_reject, max_asks)

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
            ``[output_key]``; the prompts' names where there are some.

        Raises:
            UsageError: the rows have a column called `output_key` already.
            StopRunError: the run could not go on; what is done is kept, no output is written.
        """
        if self.prompts is not None:
            requests = RowRequests(
                system_prompt=self.system_prompt, image_key=input_modal_key, prompts=self.prompts
            )
            answer_rows(
                storage,
                self.llm_serving,
                requests,
                overwrite=overwrite,
                meta=meta,
                limits=self.limits,
                judging=self._judging,
            )
            return [prompt.name for prompt in self.prompts]
        generator = PromptedVQAGenerator(
            self.llm_serving,
            self.system_prompt,
            n=self.n,
            checks=self.checks,
            on_reject=self.on_reject,
            max_asks=self.max_asks,
            limits=self.limits,
        )
        answer_key = generator.run(
            storage,
            input_conversation_key="conversation",
            input_image_key=input_modal_key,
            output_answer_key=output_key,
            overwrite=overwrite,
            meta=meta,
        )
        return [answer_key]
