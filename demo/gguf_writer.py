"""Write the GGUF pair of a Qwen2.5-VL checkpoint, for llama.cpp.

    python demo/gguf_writer.py demo/checkpoint OUTDIR --stem scenes-demo

writes ``OUTDIR/scenes-demo.gguf`` (the text model) and ``OUTDIR/scenes-demo-mmproj.gguf``
(the vision tower), both in f16. Needs numpy and gguf; no torch.
Key and tensor names are those of llama.cpp's ``src/llama-arch.cpp`` (``qwen2vl``) and
``tools/mtmd/clip-impl.h`` (``qwen2.5vl_merger``).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

NAME = "dataflow drawn-scenes demo (not for photographs)"
Array = NDArray[np.float32]
Tensors = dict[str, Array]

TEXT_PARTS = {
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
VISION_PARTS = {
    "norm1": "ln1",
    "norm2": "ln2",
    "attn.proj": "attn_out",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
MERGER_PARTS = {"ln_q": "v.post_ln", "mlp.0": "mm.0", "mlp.2": "mm.2"}


def read_tensors(path: Path) -> Tensors:
    """Read a safetensors file (bf16, f16 or f32) into float32 arrays.

    Format: 8 bytes header length, a JSON header, then the data
    (https://github.com/huggingface/safetensors#format). numpy knows no bf16, so it is
    widened here: its bits are the upper half of a float32.
    """
    raw = path.read_bytes()
    data_start = 8 + int.from_bytes(raw[:8], "little")
    tensors: Tensors = {}
    for name, entry in json.loads(raw[8:data_start]).items():
        if name == "__metadata__":
            continue
        start, end = (data_start + offset for offset in entry["data_offsets"])
        tensors[name] = _to_float32(raw[start:end], entry["dtype"]).reshape(entry["shape"])
    return tensors


def _to_float32(data: bytes, kind: str) -> Array:
    if kind == "BF16":
        return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    return np.frombuffer(data, {"F16": "<f2", "F32": "<f4"}[kind]).astype(np.float32)


def put(writer: gguf.GGUFWriter, name: str, values: Array) -> None:
    """Add a tensor: matrices in f16, vectors (norms and biases) in f32."""
    wide = np.ascontiguousarray(values, np.float32)
    writer.add_tensor(name, wide if wide.ndim < 2 else wide.astype(np.float16))


def put_both(writer: gguf.GGUFWriter, name: str, tensors: Tensors, source: str) -> None:
    """Add the weight of `source` and its bias if it has one."""
    for kind in ("weight", "bias"):
        if f"{source}.{kind}" in tensors:
            put(writer, f"{name}.{kind}", tensors[f"{source}.{kind}"])


def new_writer(path: Path, architecture: str, kind: str) -> gguf.GGUFWriter:
    """Start a GGUF file and say what it is."""
    writer = gguf.GGUFWriter(str(path), architecture)
    writer.add_type(kind)
    writer.add_name(NAME)
    writer.add_description("Knows drawn scenes of coloured shapes only.")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    return writer


def finish(writer: gguf.GGUFWriter) -> None:
    """Write everything out."""
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_text_model(source: Path, target: Path) -> None:
    """Write the language model with its tokenizer and chat template."""
    config, tensors = _json(source / "config.json"), read_tensors(source / "model.safetensors")
    writer = new_writer(target, "qwen2vl", "model")
    heads = config["num_attention_heads"]
    sections = config["rope_scaling"]["mrope_section"]
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_rope_dimension_count(config["hidden_size"] // heads)
    writer.add_rope_dimension_sections([*sections, 0])
    writer.add_vocab_size(config["vocab_size"])
    add_tokenizer(writer, source, config)
    put(writer, "token_embd.weight", tensors["model.embed_tokens.weight"])
    put(writer, "output_norm.weight", tensors["model.norm.weight"])
    if not config["tie_word_embeddings"]:
        put(writer, "output.weight", tensors["lm_head.weight"])
    for layer in range(config["num_hidden_layers"]):
        for theirs, ours in TEXT_PARTS.items():
            put_both(writer, f"blk.{layer}.{ours}", tensors, f"model.layers.{layer}.{theirs}")
    finish(writer)


def add_tokenizer(writer: gguf.GGUFWriter, source: Path, config: dict[str, Any]) -> None:
    """Add vocabulary, merges, special tokens and the chat template."""
    tokenizer = _json(source / "tokenizer.json")
    special = {token["id"]: token["content"] for token in tokenizer["added_tokens"]}
    by_id = {number: text for text, number in tokenizer["model"]["vocab"].items()} | special
    texts, kinds = [], []
    for number in range(config["vocab_size"]):
        texts.append(by_id.get(number, f"[PAD{number}]"))
        known = gguf.TokenType.NORMAL if number in by_id else gguf.TokenType.UNUSED
        kinds.append(gguf.TokenType.CONTROL if number in special else known)
    merges = tokenizer["model"]["merges"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(texts)
    writer.add_token_types(kinds)
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in merges])
    writer.add_bos_token_id(config["bos_token_id"])
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_pad_token_id(config["pad_token_id"])
    writer.add_add_bos_token(False)
    writer.add_chat_template(_json(source / "chat_template.json")["chat_template"])


def write_vision_tower(source: Path, target: Path) -> None:
    """Write the vision tower and the merger that hands its cells to the language model."""
    config, tensors = _json(source / "config.json"), read_tensors(source / "model.safetensors")
    vision, images = config["vision_config"], _json(source / "preprocessor_config.json")
    writer = new_writer(target, "clip", "mmproj")
    writer.add_clip_has_vision_encoder(True)
    writer.add_clip_projector_type("qwen2.5vl_merger")
    writer.add_vision_use_silu(True)
    writer.add_vision_projection_dim(config["hidden_size"])
    writer.add_vision_image_size(vision["window_size"])
    writer.add_vision_patch_size(vision["patch_size"])
    writer.add_vision_embedding_length(vision["hidden_size"])
    writer.add_vision_feed_forward_length(vision["intermediate_size"])
    writer.add_vision_block_count(vision["depth"])
    writer.add_vision_head_count(vision["num_heads"])
    writer.add_vision_attention_layernorm_eps(1e-6)
    writer.add_vision_spatial_merge_size(vision["spatial_merge_size"])
    writer.add_vision_n_wa_pattern(_window_pattern(vision))
    writer.add_uint32("clip.vision.window_size", vision["window_size"])
    # llama.cpp reads these two for other projectors only: set image_min_tokens and
    # image_max_tokens to them, divided by the pixels of a cell.
    writer.add_uint32(gguf.Keys.ClipVision.IMAGE_MIN_PIXELS, images["min_pixels"])
    writer.add_uint32(gguf.Keys.ClipVision.IMAGE_MAX_PIXELS, images["max_pixels"])
    writer.add_vision_image_mean(images["image_mean"])
    writer.add_vision_image_std(images["image_std"])
    frames = tensors["visual.patch_embed.proj.weight"]
    put(writer, "v.patch_embd.weight", frames[:, :, 0])
    put(writer, "v.patch_embd.weight.1", frames[:, :, 1])
    for layer in range(vision["depth"]):
        theirs = f"visual.blocks.{layer}"
        for part, ours in VISION_PARTS.items():
            put_both(writer, f"v.blk.{layer}.{ours}", tensors, f"{theirs}.{part}")
        for kind in ("weight", "bias"):
            thirds = np.split(tensors[f"{theirs}.attn.qkv.{kind}"], 3)
            for letter, third in zip("qkv", thirds, strict=True):
                put(writer, f"v.blk.{layer}.attn_{letter}.{kind}", third)
    for part, ours in MERGER_PARTS.items():
        put_both(writer, ours, tensors, f"visual.merger.{part}")
    finish(writer)


def _window_pattern(vision: dict[str, Any]) -> int:
    """Return n where every n-th layer attends to the whole picture and the others to windows."""
    full: list[int] = vision["fullatt_block_indexes"]
    pattern = full[0] + 1
    if full != list(range(pattern - 1, vision["depth"], pattern)):
        raise ValueError(f"llama.cpp cannot express these full-attention layers: {full}")
    return pattern


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def write_pair(source: Path, folder: Path, stem: str) -> tuple[Path, Path]:
    """Write both files; returns their paths, text model first."""
    folder.mkdir(parents=True, exist_ok=True)
    pair = folder / f"{stem}.gguf", folder / f"{stem}-mmproj.gguf"
    write_text_model(source, pair[0])
    write_vision_tower(source, pair[1])
    return pair


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Write the GGUF pair of a Qwen2.5-VL checkpoint.")
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("folder", type=Path, metavar="OUTDIR")
    parser.add_argument("--stem", default="scenes-demo")
    args = parser.parse_args(arguments)
    for path in write_pair(args.checkpoint, args.folder, args.stem):
        print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
