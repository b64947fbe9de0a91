"""What a server charges: tokens by a published rule, and a bill of its own beside ours."""

from __future__ import annotations

import io
import math
import random
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from PIL import Image

from tests.servers.hostile_faults import FAULTS, Exchange

UNPAID = frozenset(
    name for name in FAULTS if name[0].isdigit() or name.startswith(("error", "policy", "too_long"))
) | {"bad_picture", "bad_request", "redirect"}
"""Faults in which the server says no, and charges nothing."""


def tiles(width: int, height: int) -> int:
    """OpenAI's rule for GPT-4o (https://platform.openai.com/docs/guides/images-vision)."""
    shrink = min(1.0, 2048 / max(width, height))
    width, height = int(width * shrink), int(height * shrink)
    shrink = min(1.0, 768 / min(width, height))
    width, height = int(width * shrink), int(height * shrink)
    return 85 + 170 * math.ceil(width / 512) * math.ceil(height / 512)


def patches(width: int, height: int) -> int:
    """Qwen2.5-VL's rule: patches of 28 x 28 pixels (https://github.com/QwenLM/Qwen3-VL)."""
    return max(4, round(width / 28) * round(height / 28)) + 2


class Tariff:
    """Charges each request, and keeps the bill.

    Args:
        rule: Width and height of a picture, in pixels → its tokens.
        prompt: US dollars per million tokens read.
        completion: US dollars per million tokens written.
        seed: Of the answers' lengths, which lie between 1 and the request's ``max_tokens``.
        is_silent: Whether the replies tell no usage.

    Attributes:
        requests: Charged.
        tokens: Charged, read and written.
        cost: US dollars charged.
        dearest: The most that one request was charged, in tokens and in dollars.
    """

    def __init__(
        self,
        rule: Callable[[int, int], int] = tiles,
        *,
        prompt: str = "2.5",
        completion: str = "10",
        seed: int = 0,
        is_silent: bool = False,
    ) -> None:
        self.rule = rule
        self.prompt, self.completion = Decimal(prompt), Decimal(completion)
        self.is_silent = is_silent
        self.requests = 0
        self.tokens = 0
        self.cost = Decimal(0)
        self.dearest = (0, Decimal(0))
        self._random = random.Random(seed)

    def charge(self, exchange: Exchange) -> Mapping[str, Any]:
        """Charge for this request; returns the usage to tell."""
        longest = exchange.body.get("max_tokens") or 500
        read = {"image_tokens": 0, "cached_tokens": 0}
        for data in exchange.pictures:
            read["image_tokens"] += self.rule(*Image.open(io.BytesIO(data)).size)
        prompt = 20 + read["image_tokens"]
        # now and then the longest answer there may be
        completion = self._random.choice((longest, self._random.randint(1, longest)))
        cost = (self.prompt * prompt + self.completion * completion) / 1_000_000
        self.requests += 1
        self.tokens += prompt + completion
        self.cost += cost
        self.dearest = (max(self.dearest[0], prompt + completion), max(self.dearest[1], cost))
        if self.is_silent:
            return {}
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": read,
        }
