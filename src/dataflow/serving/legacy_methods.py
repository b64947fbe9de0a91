"""Short forms of the list methods, under the names that DataFlow's users know."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from dataflow.core.errors import RowError, UsageError
from dataflow.core.picture import ImageRef
from dataflow.core.request import Request, Turn
from dataflow.serving.base.list_serving import ListServing, references_of


class DataFlowLegacyMethods(ListServing):
    """The short forms.

    Those that answer one question raise its error; those that answer a list put ``""`` there, as
    the list methods do. `model` and `timeout`, where given, hold for this call alone.
    """

    timeout: float

    def chat_with_one_image(
        self,
        image_path: Any,
        text_prompt: str,
        model: str | None = None,
        timeout: float | None = None,
    ) -> str:
        """Answer `text_prompt` about one picture.

        Raises:
            DataflowError: there is no answer, and why.
        """
        texts = self.generate_from_input_one_image(
            [image_path], [text_prompt], model=model, timeout=timeout
        )
        return self._only(texts)

    def chat_with_one_image_with_id(
        self,
        request_id: Any,
        image_path: Any,
        text_prompt: str,
        model: str | None = None,
        timeout: float | None = None,
    ) -> tuple[Any, str]:
        """`chat_with_one_image` with `request_id` beside the answer.

        Raises:
            DataflowError: there is no answer, and why.
        """
        return request_id, self.chat_with_one_image(image_path, text_prompt, model, timeout)

    def generate_from_input_one_image(
        self,
        image_paths: Sequence[Any],
        text_prompts: Sequence[str],
        system_prompt: str = "",
        model: str | None = None,
        timeout: float | None = None,
    ) -> list[str]:
        """Answer each of `text_prompts` about the picture at the same index.

        Raises:
            StopRunError: no question can be answered until a person acts.
        """
        other = self._with(model, timeout)
        texts = other.generate_from_input(list(text_prompts), system_prompt, image_paths)
        self._call_errors().note(other.last_errors)
        return texts

    def analyze_images_with_gpt(
        self,
        image_paths: Sequence[Any],
        image_labels: Sequence[str],
        system_prompt: str = "",
        model: str | None = None,
        timeout: float | None = None,
    ) -> str:
        """Answer about several pictures, each after its label.

        Raises:
            DataflowError: there is no answer, and why.
        """
        texts = self.generate_from_input_multi_images(
            [image_paths], [image_labels], system_prompt, model, timeout
        )
        return self._only(texts)

    def analyze_images_with_gpt_with_id(
        self,
        image_paths: Sequence[Any],
        image_labels: Sequence[str],
        request_id: Any,
        system_prompt: str = "",
        model: str | None = None,
        timeout: float | None = None,
    ) -> tuple[Any, str]:
        """`analyze_images_with_gpt` with `request_id` beside the answer.

        Raises:
            DataflowError: there is no answer, and why.
        """
        answer = self.analyze_images_with_gpt(
            image_paths, image_labels, system_prompt, model, timeout
        )
        return request_id, answer

    def generate_from_input_multi_images(
        self,
        list_of_image_paths: Sequence[Sequence[Any]],
        list_of_image_labels: Sequence[Sequence[str]],
        system_prompt: str = "",
        model: str | None = None,
        timeout: float | None = None,
    ) -> list[str]:
        """Answer about each group of pictures, each picture after its label.

        Raises:
            StopRunError: no group can be answered until a person acts.
        """
        if len(list_of_image_paths) != len(list_of_image_labels):
            raise UsageError("as many groups of labels as groups of pictures are wanted")
        requests = [
            _labelled(paths, labels, system_prompt)
            for paths, labels in zip(list_of_image_paths, list_of_image_labels, strict=True)
        ]
        other = self._with(model, timeout)
        texts = other.answer_texts(requests)
        self._call_errors().note(other.last_errors)
        return texts

    def _with(self, model: str | None, timeout: float | None) -> DataFlowLegacyMethods:
        other = copy.copy(self)
        other.__dict__["_slots"] = self._shared_slots()  # it is the same server
        other.model = self.model if model is None else model
        other.timeout = self.timeout if timeout is None else timeout
        return other

    def _only(self, texts: Sequence[str]) -> str:
        for error in self.last_errors.values():
            raise error
        return texts[0]


def _labelled(
    paths: Sequence[Any], labels: Sequence[str], system_prompt: str
) -> Request | RowError:
    if len(paths) != len(labels):
        raise UsageError(f"{len(paths)} pictures with {len(labels)} labels")
    parts: list[str | ImageRef] = []
    try:
        for path, label in zip(paths, labels, strict=True):
            parts += [label, *references_of(path)]
    except RowError as error:
        return error
    system = (Turn("system", (system_prompt,)),) if system_prompt else ()
    return Request((*system, Turn("user", tuple(parts))))
