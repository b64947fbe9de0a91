"""DataFlow's operators that ask about pictures, as fronts of ours."""

from __future__ import annotations

from typing import Any

from dataflow.compat.prompt_template import CaptionGeneratorPrompt
from dataflow.core.errors import UsageError
from dataflow.core.protocols.operator import OperatorABC
from dataflow.core.protocols.serving import LLMServingABC
from dataflow.core.protocols.storage import DataFlowStorage
from dataflow.core.settings import ANY_TEXT
from dataflow.operators.core_vision import (
    BatchVQAGenerator,
    ImageCaptionGenerator,
    PromptedVQAGenerator,
)

__all__ = ["BatchVQAGenerator", "FixPromptedVQAGenerator", "ImageCaptionGenerate",
           "ImageCaptionGenerator", "PromptTemplatedVQAGenerator", "PromptedVQAGenerator",
           ]  # fmt: skip
__path__: list[str] = []  # DataFlow has a package here

_SYSTEM = "You are a helpful assistant."


class ImageCaptionGenerate(ImageCaptionGenerator):
    """`ImageCaptionGenerator` as DataFlow's page on it calls it, without a system prompt."""

    def __init__(self, llm_serving: LLMServingABC, system_prompt: str = "") -> None:
        super().__init__(llm_serving, system_prompt)

    def run(self, *args: Any, multi_modal_key: str = "image", **options: Any) -> list[str]:
        """As `ImageCaptionGenerator.run`; `multi_modal_key` is `input_modal_key` of old pages."""
        if len(args) < 2:
            options = {"input_modal_key": multi_modal_key, **options}
        return super().run(*args, **options)


class FixPromptedVQAGenerator(OperatorABC):
    """Asks the same question about each row's pictures.

    Args:
        serving: The model.
        system_prompt: Sent as the system message.
        user_prompt: The question.
    """

    def __init__(
        self,
        serving: LLMServingABC,
        system_prompt: str = _SYSTEM,
        user_prompt: str = "Please caption the media in detail.",
    ) -> None:
        self.user_prompt: str = ANY_TEXT.take("user_prompt", user_prompt)
        template = CaptionGeneratorPrompt(self.user_prompt)
        self._asker = PromptedVQAGenerator(serving, system_prompt, template)

    def run(
        self,
        storage: DataFlowStorage,
        input_image_key: str = "image",
        input_video_key: str | None = "video",
        output_answer_key: str = "answer",
        **options: Any,
    ) -> list[str]:
        """See `PromptedVQAGenerator.run`."""
        keys = (None, None, input_image_key, input_video_key, output_answer_key)
        return [self._asker.run(storage, *keys, **options)]


class PromptTemplatedVQAGenerator(OperatorABC):
    """Asks what a template makes of each row's fields.

    Args:
        serving: The model.
        prompt_template: An object with ``build_prompt(need_fields, **fields)``.
        system_prompt: Sent as the system message.

    Raises:
        UsageError: it is none.
    """

    def __init__(
        self, serving: LLMServingABC, prompt_template: Any, system_prompt: str = _SYSTEM
    ) -> None:
        if not callable(getattr(prompt_template, "build_prompt", None)):
            raise UsageError("prompt_template must be an object with build_prompt()")
        self.serving, self.system_prompt = serving, system_prompt
        self.prompt_template = prompt_template

    def run(
        self,
        storage: DataFlowStorage,
        input_image_key: str = "image",
        input_video_key: str | None = "video",
        output_answer_key: str = "answer",
        **input_keys: str,
    ) -> list[str]:
        """As `PromptedVQAGenerator.run`; `input_keys` say which column fills which place.

        Raises:
            UsageError: there are no `input_keys`.
        """
        if not input_keys:
            raise UsageError("name the column of each place of the template: place='column'")
        template = _Mapped(self.prompt_template, input_keys)
        asker = PromptedVQAGenerator(self.serving, self.system_prompt, template)
        return [asker.run(storage, None, None, input_image_key, input_video_key, output_answer_key)]


class _Mapped:
    def __init__(self, template: Any, columns: dict[str, str]) -> None:
        self._template = template
        self._columns = columns

    def build_prompt(self, **fields: Any) -> Any:
        found = {place: fields.get(column, "") for place, column in self._columns.items()}
        return self._template.build_prompt(set(self._columns), **found)
