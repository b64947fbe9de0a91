"""Operators that look at pictures."""

from dataflow.operators.core_vision.image_caption_generator import ImageCaptionGenerator
from dataflow.operators.core_vision.preset import Preset, preset_names, preset_of
from dataflow.operators.core_vision.prompted_vqa_generator import PromptedVQAGenerator
from dataflow.operators.core_vision.prompts import Prompt, read_prompts

__all__ = [
    "ImageCaptionGenerator",
    "Preset",
    "Prompt",
    "PromptedVQAGenerator",
    "preset_names",
    "preset_of",
    "read_prompts",
]
