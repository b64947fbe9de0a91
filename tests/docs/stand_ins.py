"""What a page's blocks are run with in place of what a test cannot have, and what is not run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tests.docs.blocks import ROOT


@dataclass(frozen=True)
class StandIn:
    """`pattern` in a block becomes `replacement`, in which ``{names}`` are filled in."""

    pattern: str
    replacement: str
    reason: str


STAND_INS = (
    StandIn(
        r"https://api\.openai\.com/v1(?=[^\n]*--(?:batch|detach)|\"[^)]*batching=)",
        "{batch_api}",
        "a batch costs money and hours: the tests' own Batch API answers",
    ),
    StandIn(
        r"https://api\.openai\.com/v1|http://127\.0\.0\.1:8000/v1",
        "{api}",
        "an API costs money: llama.cpp's own server with the demo model answers",
    ),
    StandIn(r"DF_API_KEY=sk-…", "DF_API_KEY={key}", "that server's key"),
    StandIn(
        r"dataflow caption(?! --help)(?!.*--(?:model|vllm|api-url))",
        "dataflow caption --model demo",
        "the default model is half a gigabyte on the hub",
    ),
    StandIn(r"--model ggml-org/\S+", "--model demo", "these models are gigabytes on the hub"),
    StandIn(
        r"Qwen/Qwen2\.5-VL-7B-Instruct",
        "{checkpoint}",
        "it is 17 GB and needs a GPU: the demo model is of the same architecture",
    ),
)

NOT_RUN = {
    r"make [a-z-]+": "it installs things, or runs these very tests",
    r"pip install '\.\[\w+\]'": "it would change the environment that the tests run in",
}
"""Commands that are only checked: pattern → reason."""

NOT_RUN_PAGES = {"cli.md": "generated, and compared by tests/cli/test_help.py"}


def with_stand_ins(text: str, names: Mapping[str, str]) -> str:
    """`text` with everything of the table replaced."""
    for escaped_name in STAND_INS:
        replacement = escaped_name.replacement.format(**names)
        text = re.sub(escaped_name.pattern, lambda _, new=replacement: new, text)
    return text


def is_run(command: str) -> bool:
    """Whether `command` is run; those that are not are checked to be possible."""
    return not any(re.fullmatch(pattern, command) for pattern in NOT_RUN)


def check_possible(command: str) -> None:
    """Fail where a command that is not run names something that is not there."""
    if found := re.fullmatch(r"make ([a-z-]+)", command):
        assert re.search(rf"^{found[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    if found := re.fullmatch(r"pip install '\.\[(\w+)\]'", command):
        assert re.search(rf"^{found[1]} = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
