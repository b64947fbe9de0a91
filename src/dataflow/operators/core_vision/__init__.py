"""Operators that look at pictures."""

from importlib import import_module

from dataflow.operators.core_vision.batch_vqa_generator import BatchVQAGenerator
from dataflow.operators.core_vision.image_caption_generator import ImageCaptionGenerator
from dataflow.operators.core_vision.preset import Preset, preset_names, preset_of
from dataflow.operators.core_vision.prompted_vqa_generator import PromptedVQAGenerator
from dataflow.operators.core_vision.prompts import Prompt, read_prompts

__all__ = [
    "BatchVQAGenerator",
    "ImageCaptionGenerator",
    "Preset",
    "Prompt",
    "PromptedVQAGenerator",
    "preset_names",
    "preset_of",
    "read_prompts",
]

_FRONTS = (
    "FixPromptedVQAGenerator",
    "ImageCaptionGenerate",
    "PromptTemplatedVQAGenerator",
)


def __getattr__(name: str) -> object:
    """DataFlow's other operators, which are fronts of these."""
    if name in _FRONTS:
        return getattr(import_module("dataflow.compat.generate"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
