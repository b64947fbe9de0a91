"""Modules that DataFlow's scripts import → the modules of this package that stand for them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

_GENERATE = "dataflow.operators.core_vision.generate"
ALIASES = {
    "dataflow.logger": "dataflow.compat.logger",
    "dataflow.core.Operator": "dataflow.compat.core_names",
    "dataflow.core.LLMServing": "dataflow.compat.core_names",
    "dataflow.core.VLMServing": "dataflow.compat.core_names",
    "dataflow.core.wrapper": "dataflow.compat.core_names",
    "dataflow.utils.registry": "dataflow.compat.registry",
    "dataflow.wrapper": "dataflow.compat.core_names",
    "dataflow.wrapper.batch_wrapper": "dataflow.compat.core_names",
    "dataflow.prompts": "dataflow.compat.prompt_template",
    "dataflow.prompts.image": "dataflow.compat.prompt_template",
    "dataflow.prompts.prompt_template": "dataflow.compat.prompt_template",
    "dataflow.operators.generate": "dataflow.compat.generate",
    _GENERATE: "dataflow.compat.generate",
    **{
        f"{_GENERATE}.{name}_generator": "dataflow.compat.generate"
        for name in ("image_caption", "prompted_vqa", "fix_prompted_vqa", "prompt_templated_vqa",
                     "batch_vqa")
    },
}  # fmt: skip
"""Name of a module in DataFlow → the module that stands for it."""


class _AliasFinder(MetaPathFinder, Loader):
    """Finds the modules of `ALIASES`; each is the one module under two names."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of an alias; None for any other module."""
        return ModuleSpec(fullname, self) if fullname in ALIASES else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module that the alias stands for, with its own spec kept."""
        module = import_module(ALIASES[spec.name])
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Undo what the import system notes on a module that it takes for a new one."""
        alias = module.__spec__
        if alias is not None and alias.loader_state is not None:
            module.__spec__ = alias.loader_state


def install() -> None:
    """Let the aliases be imported; does nothing the second time."""
    if not any(isinstance(finder, _AliasFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _AliasFinder())
