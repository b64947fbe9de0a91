"""Captions each row's pictures."""

from __future__ import annotations

from dataflow.core.operator import OperatorABC
from dataflow.core.serving import LLMServingABC
from dataflow.core.storage import DataFlowStorage
from dataflow.operators.core_vision.prompted_vqa_generator import PromptedVQAGenerator


class ImageCaptionGenerator(OperatorABC):
    """Gives each row's pictures a caption.

    Args:
        llm_serving: The model; one of this package's, or any `LLMServingABC`.
        system_prompt: Sent as the system message of every request.
    """

    def __init__(self, llm_serving: LLMServingABC, system_prompt: str) -> None:
        self.llm_serving = llm_serving
        self.system_prompt = system_prompt

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
            ``[output_key]``.

        Raises:
            UsageError: the rows have a column called `output_key` already.
            StopRunError: the run could not go on; what is done is kept, no output is written.
        """
        generator = PromptedVQAGenerator(self.llm_serving, self.system_prompt)
        answer_key = generator.run(
            storage,
            input_conversation_key="conversation",
            input_image_key=input_modal_key,
            output_answer_key=output_key,
            overwrite=overwrite,
            meta=meta,
        )
        return [answer_key]
