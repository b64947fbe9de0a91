"""Make the untrained checkpoint: a Qwen2.5-VL of 2.0 million parameters.

    python demo/checkpoint.py OUTDIR

The architecture is Qwen2.5-VL's own, only small: 4 text layers of width 128, 4 vision layers
of width 128, and a byte-level BPE tokenizer learnt from the demo's own sentences, so that any
text has tokens. Pictures become about 112 x 112 pixels, which are 16 picture tokens (15 to 20).
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import prompts
import scenes

SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|object_ref_start|>",
    "<|object_ref_end|>",
    "<|box_start|>",
    "<|box_end|>",
    "<|quad_start|>",
    "<|quad_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
# Where Qwen2's tokenizer divides text before BPE.
DIVISION = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# Qwen2.5-VL's chat template, less its numbering of several pictures.
TEMPLATE = (
    "{% for message in messages %}"
    "{% if loop.first and message['role'] != 'system' %}"
    f"<|im_start|>system\n{prompts.DEFAULT_SYSTEM}<|im_end|>\n"
    "{% endif %}"
    "<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for content in message['content'] %}"
    "{% if content['type'] == 'image' or 'image' in content or 'image_url' in content %}"
    "<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif 'text' in content %}{{ content['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
WIDTH = 128
CELL = 28


def sentences() -> Iterator[str]:
    """Yield what the tokenizer learns from."""
    rng = random.Random("tokenizer")
    for _ in range(20_000):
        yield scenes.caption(scenes.compose(rng, 1.0))
        yield from (*prompts.COMMON[:8], prompts.DEFAULT_SYSTEM, prompts.CAPTIONER)
        yield from ("system\n", "user\n", "assistant\n")


def make_tokenizer(folder: Path) -> tuple[int, dict[str, int]]:
    """Learn the tokenizer and write it; returns its size and the special tokens' numbers."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers
    from tokenizers import pre_tokenizers as pre
    from tokenizers.trainers import BpeTrainer

    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    bytewise = pre.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre.Sequence([pre.Split(Regex(DIVISION), "isolated"), bytewise])
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre.ByteLevel.alphabet()
    trainer = BpeTrainer(vocab_size=1000, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(sentences(), trainer)
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in SPECIAL])
    tokenizer.save(str(folder / "tokenizer.json"))
    first = tokenizer.get_vocab_size() - len(SPECIAL)
    return tokenizer.get_vocab_size(), {text: first + i for i, text in enumerate(SPECIAL)}


def tokenizer_config(numbers: dict[str, int]) -> dict[str, Any]:
    """Return what transformers needs to know about the tokenizer."""
    shared = {"lstrip": False, "rstrip": False, "normalized": False, "single_word": False}
    return {
        "tokenizer_class": "Qwen2Tokenizer",
        "model_max_length": 32768,
        "add_prefix_space": False,
        "bos_token": None,
        "unk_token": None,
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "errors": "replace",
        "split_special_tokens": False,
        "clean_up_tokenization_spaces": False,
        "additional_special_tokens": list(SPECIAL[1:]),
        "chat_template": TEMPLATE,
        "added_tokens_decoder": {
            str(number): {"content": text, "special": True, **shared}
            for text, number in numbers.items()
        },
    }


def vision_config() -> dict[str, Any]:
    """Return the vision tower's configuration; its names are Qwen2.5-VL's."""
    return {
        "model_type": "qwen2_5_vl",
        "depth": 4,
        "hidden_act": "silu",
        "hidden_size": WIDTH,
        "intermediate_size": 256,
        "num_heads": 4,
        "in_chans": 3,
        "in_channels": 3,
        "out_hidden_size": WIDTH,
        "patch_size": 14,
        "spatial_patch_size": 14,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
        "window_size": 112,
        "fullatt_block_indexes": [1, 3],
        "tokens_per_second": 2,
    }


def model_config(vocabulary: int, numbers: dict[str, int]) -> dict[str, Any]:
    """Return the model's configuration, in the flat form that every version of vLLM reads."""
    return {
        "architectures": ["Qwen2_5_VLForConditionalGeneration"],
        "model_type": "qwen2_5_vl",
        "torch_dtype": "bfloat16",
        "use_cache": True,
        "vocab_size": (vocabulary + 63) // 64 * 64,
        "hidden_size": WIDTH,
        "intermediate_size": 384,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "hidden_act": "silu",
        "max_position_embeddings": 2048,
        "max_window_layers": 4,
        "sliding_window": 2048,
        "use_sliding_window": False,
        "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0,
        "rope_scaling": {"type": "mrope", "mrope_section": [4, 6, 6]},
        "attention_dropout": 0.0,
        "initializer_range": 0.02,
        "tie_word_embeddings": True,
        "bos_token_id": numbers["<|endoftext|>"],
        "eos_token_id": numbers["<|im_end|>"],
        "pad_token_id": numbers["<|endoftext|>"],
        "vision_start_token_id": numbers["<|vision_start|>"],
        "vision_end_token_id": numbers["<|vision_end|>"],
        "vision_token_id": numbers["<|vision_pad|>"],
        "image_token_id": numbers["<|image_pad|>"],
        "video_token_id": numbers["<|video_pad|>"],
        "vision_config": vision_config(),
    }


def image_config() -> dict[str, Any]:
    """Return how pictures are made ready; mean and deviation are CLIP's, as in Qwen2.5-VL."""
    return {
        "min_pixels": 16 * CELL**2,
        "max_pixels": 20 * CELL**2,
        "patch_size": 14,
        "temporal_patch_size": 2,
        "merge_size": 2,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
        "image_processor_type": "Qwen2VLImageProcessor",
        "processor_class": "Qwen2_5_VLProcessor",
    }


def write_json(path: Path, content: Any) -> None:
    """Write JSON with one field a line."""
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def make(folder: Path) -> None:
    """Write the checkpoint: tokenizer, configuration, and weights drawn at random."""
    import torch
    import transformers

    library: Any = transformers  # its loaders have no types

    folder.mkdir(parents=True, exist_ok=True)
    vocabulary, numbers = make_tokenizer(folder)
    ends = [numbers["<|im_end|>"], numbers["<|endoftext|>"]]
    padding = numbers["<|endoftext|>"]
    generation = {"bos_token_id": padding, "eos_token_id": ends, "pad_token_id": padding}
    config = folder / "config.json"
    write_json(config, model_config(vocabulary, numbers))
    torch.manual_seed(0)
    as_read = library.AutoConfig.from_pretrained(folder)
    model = library.AutoModelForImageTextToText.from_config(as_read, dtype=torch.float32)
    model.to(torch.bfloat16).save_pretrained(folder)
    # transformers has written its own form of the configuration: put the flat one back.
    write_json(config, model_config(vocabulary, numbers))
    write_json(folder / "generation_config.json", {**generation, "do_sample": False})
    write_json(folder / "preprocessor_config.json", image_config())
    write_json(folder / "tokenizer_config.json", tokenizer_config(numbers))
    write_json(folder / "chat_template.json", {"chat_template": TEMPLATE})


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Make the untrained demo checkpoint.")
    parser.add_argument("folder", type=Path, metavar="OUTDIR")
    args = parser.parse_args(arguments)
    make(args.folder)
    print(f"made {args.folder}")


if __name__ == "__main__":
    main()
