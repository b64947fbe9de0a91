"""Batched forms of Qwen2.5-VL's slow parts, for training on a CPU.

transformers attends picture by picture and window by window in a Python loop. Here all
pictures of a batch have one grid, so one product serves them all; a mask keeps the windows
apart. The results are the same up to rounding; ``train.py`` checks that before it starts.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers.models.qwen2_5_vl import modeling_qwen2_5_vl as qwen


@lru_cache(maxsize=64)
def _window_mask(lengths: tuple[int, ...]) -> Tensor | None:
    """Return what to add to the scores so that tokens see only their own window."""
    if len(lengths) == 1:
        return None
    window = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    apart = window[:, None] != window[None, :]
    return torch.zeros(apart.shape).masked_fill(apart, float("-inf"))


class _Pictures:
    """How many pictures the current batch has; set by `set_batch`."""

    count = 1


def set_batch(count: int) -> None:
    """Say how many pictures, all of one grid, the next forward pass will see."""
    _Pictures.count = count


def vision_attention(
    self: Any, hidden: Tensor, cu_seqlens: Tensor, position_embeddings: Any = None, **_: Any
) -> Tensor:
    """Attend within each picture's windows (or the whole picture) in one batched product."""
    total = hidden.shape[0]
    q, k, v = self.qkv(hidden).reshape(total, 3, self.num_heads, -1).permute(1, 0, 2, 3).unbind(0)
    q, k = qwen.apply_rotary_pos_emb_vision(q, k, *position_embeddings)
    q, k, v = (
        t.reshape(_Pictures.count, -1, self.num_heads, t.shape[-1]).transpose(1, 2)
        for t in (q, k, v)
    )
    lengths = cu_seqlens.diff()
    mask = _window_mask(tuple(lengths[: len(lengths) // _Pictures.count].tolist()))
    scores = q @ k.transpose(2, 3) * self.scaling
    if mask is not None:
        scores = scores + mask.to(scores.dtype)
    mixed: Tensor = scores.softmax(-1).to(v.dtype) @ v
    out: Tensor = self.proj(mixed.transpose(1, 2).reshape(total, -1))
    return out


def text_attention(
    self: Any, hidden_states: Tensor, position_embeddings: Any = None, **_: Any
) -> tuple[Tensor, None]:
    """Plain causal attention: on a CPU in bf16 three times faster than the fused one."""
    batch, length, _width = hidden_states.shape
    q, k, v = (
        project(hidden_states).view(batch, length, -1, self.head_dim).transpose(1, 2)
        for project in (self.q_proj, self.k_proj, self.v_proj)
    )
    q, k = qwen.apply_rotary_pos_emb(q, k, *position_embeddings)
    k, v = (t.repeat_interleave(self.num_key_value_groups, 1) for t in (k, v))
    mask = torch.full((length, length), float("-inf"), dtype=q.dtype).triu_(1)
    mixed = (q @ k.transpose(2, 3) * self.scaling + mask).softmax(-1).to(v.dtype) @ v
    return self.o_proj(mixed.transpose(1, 2).reshape(batch, length, -1)), None


def patch_embedding(self: Any, patches: Tensor) -> Tensor:
    """Embed patches; a still picture's two frames are equal, so one may stand for both."""
    weight = self.proj.weight
    if patches.shape[1] * 2 == weight[0].numel():
        return functional.linear(patches, weight.sum(2).reshape(weight.shape[0], -1))
    return functional.linear(patches.to(weight.dtype), weight.reshape(weight.shape[0], -1))


_OWN: dict[Any, Any] = {
    qwen.Qwen2_5_VLVisionAttention: vision_attention,
    qwen.Qwen2_5_VLAttention: text_attention,
    qwen.Qwen2_5_VisionPatchEmbed: patch_embedding,
}
_THEIRS: dict[Any, Any] = {part: part.forward for part in _OWN}


def install() -> None:
    """Put these in place of the parts of transformers."""
    for part, forward in _OWN.items():
        part.forward = forward


@contextmanager
def removed() -> Iterator[None]:
    """Give transformers its own parts back for a while."""
    for part, forward in _THEIRS.items():
        part.forward = forward
    try:
        yield
    finally:
        install()
