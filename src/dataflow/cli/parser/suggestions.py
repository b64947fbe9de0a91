"""What to type instead of an option that there is not."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

_OTHER_NAMES = {
    "--api-key": "name the environment variable that holds the key with --key-env, or its file "
    "with --key-file; everybody on this machine can read a key on the command line",
    "--key": "--api-key",
    "--token": "--api-key",
    "--api-token": "--api-key",
    "--openai-api-key": "--api-key",
    "--input": "give INPUT without a flag",
    "--images": "--input",
    "--image-dir": "--input",
    "--folder": "--input",
    "--dataset": "--input",
    "--out": "did you mean --output?",
    "--output-dir": "did you mean --output?",
    "--resume": "leave it out: the same command resumes by itself",
    "--continue": "--resume",
    "--retries": "leave it out: failures that may pass are retried by themselves; see "
    "--give-up-after",
    "--max-retries": "--retries",
    "--top-p": "give it with --body top_p=0.9",
    "--top-k": "give it with --body top_k=40",
    "--reasoning-effort": 'give it with --body reasoning_effort="low"',
    "--question": "did you mean --prompt?",
    "--trigger-word": "did you mean --trigger?",
    "--gpu": "a local engine takes the GPU by itself; choose one with CUDA_VISIBLE_DEVICES",
    "--device": "--gpu",
    "--lang": "did you mean --language?",
    "--verbose": "leave it out: progress and summary are shown by themselves",
    "--debug": "--verbose",
    "--force": "did you mean --restart?",
    "--overwrite": "did you mean --restart, --overwrite-column, or --existing overwrite?",
    "--dry-run": "use `dataflow estimate`, which takes the same options",
}
"""Names that people know from other programs → the cure, or another key of this table."""


def suggestion_for(name: str, flags: Sequence[str], near: Sequence[str] = ()) -> str | None:
    """How to say what `name` was meant to say; None where nothing comes close.

    Args:
        name: The option that was given.
        flags: The options that there are.
        near: Options that the parser itself thinks close.
    """
    cure = _OTHER_NAMES.get(name.replace("_", "-").lower())
    while cure in _OTHER_NAMES:
        cure = _OTHER_NAMES[cure]
    if cure is not None:
        return cure
    close = difflib.get_close_matches(name.replace("_", "-").lower(), flags, n=3, cutoff=0.6)
    found = list(dict.fromkeys([*close, *near]))[:3]
    if not found:
        return None
    return f"did you mean {' or '.join(found)}?"
