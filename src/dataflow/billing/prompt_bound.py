"""How many tokens a request may read at most, before it is asked.

Nobody knows a server's own rule for pictures, so this stays on the safe side of all that are
published, until the server's own counts tell better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dataflow.billing.token_rules import token_rule_of
from dataflow.core.picture import Picture
from dataflow.core.request import Request

MARGIN = 2
"""A request reads at most this many times what the largest so far has read, if it is no larger.

Tiles make a long picture dearer than a square one of its size: by OpenAI's rule
(https://platform.openai.com/docs/guides/images-vision) up to 1.9 times, by Gemini's
(https://ai.google.dev/gemini-api/docs/tokens) up to 2 times.
"""

COUNTS_TO_TRUST = 16
"""After this many counts the largest of them is trusted, with `MARGIN`, over the general bound."""

PICTURE_TOKENS = 6_500
"""Of one picture, besides those by its size: Llama 3.2 Vision reads 4 tiles of 1,601 tokens
(https://huggingface.co/blog/mllama), whatever the size; the other families fewer."""

PIXELS_PER_TOKEN = 14 * 14
"""The smallest patch in use, unmerged; Qwen-VL's tokens stand for 28 x 28 pixels or more."""

FRAME_TOKENS = 256
"""What the server's chat template adds around the conversation."""


@dataclass(frozen=True, slots=True)
class RequestSize:
    """How large a request is.

    Attributes:
        text: Bytes of UTF-8; a token is at least one of them.
        pictures: How many.
        pixels: Of all of them.
        ruled: Tokens of the pictures by the published rule of the model's family; 0 for none.
    """

    text: int
    pictures: int
    pixels: int
    ruled: int = 0


def size_of(request: Request, pictures: Sequence[Picture], model: str) -> RequestSize:
    """The size of `request` with its loaded `pictures`, for the model of this name."""
    family = token_rule_of(model)
    texts = (part for turn in request.turns for part in turn.parts if isinstance(part, str))
    return RequestSize(
        sum(len(text.encode("utf-8", "replace")) for text in texts),
        len(pictures),
        sum(picture.width * picture.height for picture in pictures),
        sum(family.rule(picture.width, picture.height) for picture in pictures) if family else 0,
    )


class PromptBound:
    """The bound of one run, which learns from what the server counts."""

    def __init__(self) -> None:
        self._counts = 0
        self._most = 0
        self._largest = RequestSize(1, 1, 1)
        self._times_general = 0.0

    def most(self, size: RequestSize) -> int:
        """Tokens that a request of `size` reads at most."""
        general = _general(size)
        if self._times_general > 1:  # a server that counts more than anybody else
            general = int(MARGIN * self._times_general * general) + 1
        if self._counts < COUNTS_TO_TRUST:
            return general
        largest = self._largest
        times = max(
            1.0,
            size.text / largest.text,
            size.pictures / largest.pictures,
            size.pixels / largest.pixels,
        )
        learned = int(MARGIN * self._most * times) + 1
        return max(size.ruled, min(learned, general))

    def learn(self, size: RequestSize, prompt_tokens: int) -> None:
        """A request of `size` has read so many."""
        self._counts += 1
        self._most = max(self._most, prompt_tokens)
        self._times_general = max(self._times_general, prompt_tokens / _general(size))
        largest = self._largest
        self._largest = RequestSize(
            max(largest.text, size.text),
            max(largest.pictures, size.pictures),
            max(largest.pixels, size.pixels),
        )


def _general(size: RequestSize) -> int:
    any_model = size.pictures * PICTURE_TOKENS + size.pixels // PIXELS_PER_TOKEN
    # GPT-4o mini counts more than the general bound, and Gemini where a picture is a thin strip
    return FRAME_TOKENS + size.text + max(any_model, size.ruled)
