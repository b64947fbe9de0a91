"""CLIPScore and RefCLIPScore from embeddings that a local model or an endpoint made.

Source: Hessel et al., "CLIPScore: a reference-free evaluation metric for image captioning", EMNLP
2021 (arXiv:2104.08718), sections 3.1 and 3.2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

WEIGHT = 2.5
"""What stretches the usual range of cosines to about 0 to 1."""


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    """The cosine of the angle between two vectors.

    Raises:
        ValueError: they differ in length, or one has no direction.
    """
    norm = math.hypot(*one) * math.hypot(*other)
    if not norm:
        raise ValueError("a vector of zeros has no direction")
    return sum(a * b for a, b in zip(one, other, strict=True)) / norm


def clip_score(similarity: float) -> float:
    """CLIPScore of a picture and a caption whose embeddings' cosine is `similarity`."""
    return WEIGHT * max(similarity, 0.0)


def ref_clip_score(similarity: float, references: Sequence[float]) -> float:
    """RefCLIPScore: the harmonic mean of CLIPScore and the best cosine with a reference.

    Args:
        similarity: The cosine of picture and caption.
        references: The cosines of the caption and each reference.

    Raises:
        ValueError: there are no references.
    """
    if not references:
        raise ValueError("RefCLIPScore needs at least one reference")
    with_picture, with_reference = clip_score(similarity), max(0.0, *references)
    total = with_picture + with_reference
    return 2 * with_picture * with_reference / total if total else 0.0
