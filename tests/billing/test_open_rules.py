"""The rules of open models against the models' own processors."""

from __future__ import annotations

import random

import pytest

from dataflow.billing.open_rules import (
    internvl_tiles,
    llama4_tiles,
    pixtral_patches,
    qwen_patches,
)


@pytest.fixture
def sizes():
    chance = random.Random(1)
    sides = (64, 300, 1024, 1600, 5000)
    drawn = [[chance.randint(32, chance.choice(sides)) for _ in "wh"] for _ in range(400)]
    return [(w, h) for w, h in drawn if max(w, h) <= 100 * min(w, h)]


@pytest.mark.vllm
@pytest.mark.parametrize(
    ("patch", "least", "most"), [(28, 3136, 12_845_056), (32, 65_536, 16_777_216)]
)
def test_qwen_patches_are_those_of_transformers(sizes, patch, least, most):
    from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize

    for width, height in sizes:
        down, across = smart_resize(height, width, factor=patch, min_pixels=least, max_pixels=most)
        ours = qwen_patches(width, height, patch=patch, min_pixels=least, max_pixels=most)
        assert ours == down * across // patch**2 + 2, (width, height)


@pytest.mark.vllm
def test_llama_tiles_are_those_of_transformers(sizes):
    import torch
    from transformers.image_utils import SizeDict
    from transformers.models.llama4.image_processing_llama4 import (
        find_supported_resolutions,
        get_best_fit,
    )
    from transformers.models.llama4.processing_llama4 import Llama4Processor

    canvases = torch.tensor(find_supported_resolutions(16, SizeDict(height=336, width=336)))
    for width, height in sizes:
        shape = [int(side) // 336 for side in get_best_fit((height, width), canvases)]
        marks = Llama4Processor._prompt_split_image(None, shape, 144)
        assert llama4_tiles(width, height) == marks.count("<|"), (width, height)


@pytest.mark.vllm
def test_internvl_tiles_are_those_of_vllm(sizes):
    from vllm.transformers_utils.processors.internvl import (
        calculate_internvl_targets,
        get_internvl_target_ratios,
    )

    ratios = get_internvl_target_ratios(1, 12)
    for width, height in sizes:
        tiles, _, _ = calculate_internvl_targets(
            orig_width=width,
            orig_height=height,
            target_ratios=ratios,
            image_size=448,
            use_thumbnail=True,
        )
        assert internvl_tiles(width, height) == 256 * tiles + 2, (width, height)


@pytest.mark.vllm
@pytest.mark.parametrize(("patch", "merged", "most"), [(16, 1, 1024), (14, 2, 1540)])
def test_pixtral_patches_are_those_of_mistral(sizes, patch, merged, most):
    from mistral_common.tokens.tokenizers.image import ImageConfig, ImageEncoder, SpecialImageIDs
    from PIL import Image

    encoder = ImageEncoder(
        ImageConfig(image_patch_size=patch, max_image_size=most, spatial_merge_size=merged),
        SpecialImageIDs(img=1, img_break=2, img_end=3),
    )
    for width, height in sizes:
        across, rows = encoder._image_to_num_tokens(Image.new("L", (width, height)))
        ours = pixtral_patches(width, height, patch=patch * merged, max_side=most)
        assert ours == rows * (across + 1), (width, height)
