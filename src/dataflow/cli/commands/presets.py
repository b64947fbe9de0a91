"""`dataflow presets`: the presets that there are, and what each contains."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from dataflow.app.options.commands.presets import PresetsOptions
from dataflow.cli.shell.streams import need_stdout, put

if TYPE_CHECKING:
    from dataflow.operators.core_vision.preset import Preset

EXAMPLES = ("dataflow presets", "dataflow presets training > my-preset.toml")


def presets(options: PresetsOptions) -> None:
    """List the presets, or show one of them.

    A copy of one, changed and given by its path, is a preset of your own.
    """
    import orjson

    from dataflow.operators.core_vision.preset import preset_names, preset_of

    need_stdout("dataflow presets")
    name = options.name
    found = [preset_of(name)] if name else [preset_of(known) for known in preset_names()]
    if options.json:
        values = [_plain(preset) for preset in found]
        put([orjson.dumps(values[0] if name else values, option=orjson.OPT_INDENT_2).decode()])
    elif name:
        put([found[0].text.rstrip("\n")])
    else:
        width = max(len(preset.name) for preset in found)
        put(f"{preset.name:{width}}  {preset.version}  {preset.summary}" for preset in found)


def _plain(preset: Preset) -> dict[str, Any]:
    return {key: value for key, value in asdict(preset).items() if key != "text"}
