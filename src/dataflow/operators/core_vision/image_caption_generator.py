"""Captions each row's pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflow.core.errors import UsageError
from dataflow.core.protocols.serving import LLMServingABC
from dataflow.core.protocols.storage import DataFlowStorage
from dataflow.operators.core_vision.options import (
    OperatorKeywords,
    OperatorOptions,
    OperatorRunOptions,
    RunKeywords,
    options_from,
    takes,
)
from dataflow.operators.core_vision.prompts import Prompt
from dataflow.operators.core_vision.vision_operator import VisionOperator, column_name

if TYPE_CHECKING:
    from typing_extensions import Unpack


class ImageCaptionGenerator(VisionOperator):
    """Gives each row's pictures a caption.

    Args:
        llm_serving: The model; one of this package's, or any `LLMServingABC`.
        system_prompt: Sent as the system message of every request. One that is not empty wins over
            a preset's.
        options: See `OperatorOptions`.

    Raises:
        MissingPackageError: there is a schema, and `jsonschema` is not installed.
        UsageError: a value is not what its argument takes, or arguments contradict each other.
    """

    @takes(OperatorOptions)
    def __init__(
        self,
        llm_serving: LLMServingABC,
        system_prompt: str,
        **options: Unpack[OperatorKeywords],
    ) -> None:
        found = options_from(OperatorOptions, options, type(self).__name__)
        super().__init__(llm_serving, system_prompt, found)
        self._prompts("output")  # what is wrong with them is said now

    @property
    def llm_serving(self) -> LLMServingABC:
        """The model."""
        return self.serving

    @llm_serving.setter
    def llm_serving(self, serving: LLMServingABC) -> None:
        """Ask another model from now on."""
        self.serving = serving

    @staticmethod
    def get_desc(lang: str = "en") -> str:
        """What the operator does, in English or (``"zh"``) Chinese."""
        if lang == "zh":
            return "用视觉语言模型为每行的图片生成描述。"
        return "Captions each row's pictures with a vision-language model."

    @takes(OperatorRunOptions)
    def run(
        self,
        storage: DataFlowStorage,
        input_modal_key: str = "image",
        output_key: str = "output",
        **options: Unpack[RunKeywords],
    ) -> list[str]:
        """Caption the storage's current step into its next.

        A row that fails has null in the new column, and a line in the errors file.

        Args:
            storage: A `FileStorage` streams and can be resumed; others are read and written whole.
            input_modal_key: The column with the row's picture or pictures.
            output_key: The name of the column that is added.
            options: See `OperatorRunOptions`.

        Returns:
            ``[output_key]``; with prompts their names; flattened, the names of the properties.

        Raises:
            UsageError: a value is not what its argument takes, or the rows have a column called
                `output_key` already.
            StopRunError: the run could not go on; what is done is kept, no output is written.
        """
        if input_modal_key is None:
            raise UsageError(
                "input_modal_key must be the name of the picture column, not None: a caption "
                "without a picture would be invented"
            )
        return self._answer(
            storage,
            self._prompts(column_name("output_key", output_key)),
            options_from(OperatorRunOptions, options, "run"),
            image_key=column_name("input_modal_key", input_modal_key),
        )

    def _prompts(self, name: str) -> list[Prompt]:
        if self.options.prompts is not None:
            return list(self.options.prompts)
        return [self._prompt(name)]
