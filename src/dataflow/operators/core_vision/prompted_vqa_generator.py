"""Asks a vision-language model about each row's pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
from dataflow.operators.core_vision.vision_operator import (
    DEFAULT_SYSTEM,
    VisionOperator,
    column_name,
    optional_column,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack


class PromptedVQAGenerator(VisionOperator):
    """Answers each row's question about its pictures.

    Args:
        serving: The model; one of this package's, or any `LLMServingABC`.
        system_prompt: Sent as the system message of every request. One of your own wins over a
            preset's.
        prompt_template: Makes the question of the row's fields: a text with ``{column}`` places,
            or an object whose ``build_prompt(**fields)`` or ``build_prompt()`` returns the text.
        options: See `OperatorOptions`.

    Raises:
        MissingPackageError: there is a schema, and `jsonschema` is not installed.
        UsageError: a value is not what its argument takes, or arguments contradict each other.
    """

    @takes(OperatorOptions)
    def __init__(
        self,
        serving: LLMServingABC,
        system_prompt: str = DEFAULT_SYSTEM,
        prompt_template: Any = None,
        **options: Unpack[OperatorKeywords],
    ) -> None:
        found = options_from(OperatorOptions, options, type(self).__name__)
        super().__init__(serving, system_prompt, found)
        self.prompt_template = prompt_template
        self._prompts("answer")  # what is wrong with them is said now

    @staticmethod
    def get_desc(lang: str = "en") -> str:
        """What the operator does, in English or (``"zh"``) Chinese."""
        if lang == "zh":
            return "根据每行的图片和问题，用视觉语言模型生成回答。"
        return "Answers each row's question about its pictures with a vision-language model."

    @takes(OperatorRunOptions)
    def run(
        self,
        storage: DataFlowStorage,
        input_conversation_key: str | None = "conversation",
        input_prompt_key: str | None = None,
        input_image_key: str | None = None,
        input_video_key: str | None = None,
        output_answer_key: str = "answer",
        **options: Unpack[RunKeywords],
    ) -> str:
        """Answer the storage's current step into its next.

        A row that fails has null in the new column, and a line in the errors file.

        Args:
            storage: A `FileStorage` streams and can be resumed; others are read and written whole.
            input_conversation_key: The column with the row's turns. Rows may lack the default one;
                of a column that you name, at least one row must have it.
            input_prompt_key: The column with the row's question, instead of a conversation. A row
                whose picture is null is then asked without one.
            input_image_key: The column with the row's picture or pictures; None for text alone.
            input_video_key: A column that no row may fill: videos are not supported.
            output_answer_key: The name of the column that is added.
            options: See `OperatorRunOptions`.

        Returns:
            `output_answer_key`.

        Raises:
            UsageError: a value is not what its argument takes, a row has a video, or the rows have
                a column called `output_answer_key` already.
            StopRunError: the run could not go on; what is done is kept, no output is written.
        """
        output = column_name("output_answer_key", output_answer_key)
        self._answer(
            storage,
            self._prompts(output),
            options_from(OperatorRunOptions, options, "run"),
            image_key=optional_column("input_image_key", input_image_key),
            video_key=optional_column("input_video_key", input_video_key),
            prompt_key=optional_column("input_prompt_key", input_prompt_key),
            conversation_key=optional_column("input_conversation_key", input_conversation_key),
        )
        return output

    def _prompts(self, name: str) -> list[Prompt]:
        if self.options.prompts is not None:
            raise UsageError("prompts is for ImageCaptionGenerator; give a prompt_template")
        return [self._prompt(name, template=self.prompt_template)]
