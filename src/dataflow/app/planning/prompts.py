"""What the arguments ask about each picture."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from dataflow.app.options.commands.caption import CaptionOptions
from dataflow.app.planning.local_engine import sampling_choices
from dataflow.core.errors import UsageError
from dataflow.formats.folder.sidecar import FIELD
from dataflow.operators.core_vision.prompts import Prompt, read_prompts

PLACE = "{existing}"
"""Where the caption that is there already goes in a prompt."""


def prompts_of(choices: CaptionOptions) -> tuple[Prompt, ...]:
    """What is asked, one prompt for each column of captions.

    Raises:
        UsageError: the arguments contradict each other, or the prompt file is none.
    """
    if choices.sidecar is not None and choices.prompt_file is not None:
        raise UsageError(
            "a sidecar holds the captions of one prompt: leave out --prompt-file, or write a "
            "dataset with -o instead of --sidecar"
        )
    if choices.schema is None and (choices.flatten or choices.schema_as != "format"):
        raise UsageError("--flatten and --schema-as need --schema")
    if choices.schema is not None and choices.sidecar is not None:
        raise UsageError("a sidecar holds a text; write JSON into a dataset, with -o, instead")
    if choices.prompt_file is not None:
        return _from_file(choices, choices.prompt_file)
    _check_existing(choices)
    template = _template(choices)
    question = None if template is not None else choices.prompt or None
    return (
        Prompt(
            choices.output_key,
            preset=choices.preset,
            system=choices.system_prompt,
            sampling=_sampling(choices) if choices.preset else _local_body(choices),
            question=question,
            template=template,
            n=choices.n,
            schema=choices.schema,
            flatten=choices.flatten,
            schema_as=choices.schema_as,
        ),
    )


def _check_existing(choices: CaptionOptions) -> None:
    """Refuse ``{existing}`` where no caption is read that could stand in its place."""
    texts = {"--prompt": choices.prompt, "--system-prompt": choices.system_prompt}
    for option, text in texts.items():
        if choices.sidecar is None and text is not None and PLACE in text:
            raise UsageError(
                f"{option} has {PLACE}, which stands for the caption that a sidecar holds: give "
                "--sidecar too, or use --prompt-template with a column of the dataset"
            )


def _from_file(choices: CaptionOptions, path: str) -> tuple[Prompt, ...]:
    if choices.n != 1:
        raise UsageError(f"--n is given for each prompt by itself: write n = {choices.n} in {path}")
    if choices.schema is not None:
        raise UsageError(
            f"each prompt has its own schema: write schema = {json.dumps(choices.schema)} in {path}"
        )
    if choices.output_key != "caption":
        raise UsageError("--prompt-file names the columns already; leave out --output-key")
    if choices.preset is not None:
        raise UsageError(
            f"each prompt has its own preset: write preset = {json.dumps(choices.preset)} in {path}"
        )
    return tuple(_over_preset(prompt, choices) for prompt in read_prompts(path))


def _over_preset(prompt: Prompt, choices: CaptionOptions) -> Prompt:
    """`prompt`, where what the command line says wins over its preset, but not over its own."""
    if prompt.preset is None:
        return prompt
    system = choices.system_prompt if prompt.system is None else prompt.system
    return replace(
        prompt,
        system=system,
        sampling={**_sampling(choices), **prompt.sampling},
        detail=prompt.detail or _detail(choices),
    )


def _detail(choices: CaptionOptions) -> str:
    """What the command line says of the detail, which wins over a preset's; or empty."""
    return (choices.detail or "") if choices.preset or choices.prompt_file else ""


def _local_body(choices: CaptionOptions) -> dict[str, Any]:
    """What --body gives a local engine; an API's serving takes it itself."""
    is_api = bool(choices.api_url or choices.endpoints)
    return {} if is_api else dict(choices.body or {})


def _sampling(choices: CaptionOptions) -> dict[str, Any]:
    """What the command line says of the sampling."""
    named = {name: value for name, value in sampling_choices(choices).items() if value is not None}
    return {**named, **(choices.body or {})}


def _template(choices: CaptionOptions) -> Any:
    """What makes a row's prompt of its fields; None where it is the same for all."""
    if choices.prompt_template is not None:
        return choices.prompt_template
    if choices.sidecar is None or choices.prompt is None or PLACE not in choices.prompt:
        return None
    return _ExistingPrompt(choices.prompt)


@dataclass(frozen=True, slots=True)
class _ExistingPrompt:
    """Makes the prompt of a row's fields; see `Prompt.template`."""

    prompt: str

    def build_prompt(self, **fields: Any) -> str:
        return self.prompt.replace(PLACE, str(fields.get(FIELD) or ""))
