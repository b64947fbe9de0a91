"""Every code block of README and docs/ does what it says."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dataflow.app.planning.prices import read_prices
from dataflow.operators.core_vision import read_prompts
from tests.docs.blocks import ROOT, Block, blocks, commands_of, fits, run_all
from tests.docs.stand_ins import NOT_RUN_PAGES, check_possible, is_run, with_stand_ins

SECONDS, SECONDS_VLLM = 100, 900
LANGUAGES = {"bash", "console", "python", "json", "text", "toml", "yaml"}
READ_TOML: dict[str, Callable[[str], object]] = {
    "prompts.md": read_prompts,
    "billing.md": read_prices,
}
"""What reads the file that a page shows."""


EXAMPLES = {
    path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "examples").glob("caption_*.py")
}
"""The scripts that the README shows; they are run as files, once each."""


def runnable(language: str) -> list[object]:
    """The blocks that are run, those for vLLM marked so."""
    vllm = (pytest.mark.vllm, pytest.mark.timeout(SECONDS_VLLM))
    return [
        pytest.param(block, id=block.name, marks=vllm if block.needs_vllm else ())
        for block in blocks(language)
        if block.page.name not in NOT_RUN_PAGES and block.text not in EXAMPLES.values()
    ]


@pytest.mark.parametrize("block", runnable("console"))
def test_a_console_block_does_what_it_says(block: Block, reader_folder, names, environment):
    commands = commands_of(block.text)
    for command in commands:
        check_possible(command.text)
    commands = [command for command in commands if is_run(command.text)]
    if not commands:
        return
    texts = [with_stand_ins(command.text, names) for command in commands]
    timeout = SECONDS_VLLM if block.needs_vllm else SECONDS
    outcomes = run_all(texts, reader_folder, environment, timeout)
    shown_next = [*(text == "echo $?" for text in texts[1:]), False]
    for command, outcome, is_shown in zip(commands, outcomes, shown_next, strict=True):
        assert outcome.status == 0 or is_shown, f"{command.text}: {outcome}"
        if command.output:
            assert fits(command.output, outcome.output), f"{command.text}: {outcome.output}"


@pytest.mark.parametrize("block", runnable("python"))
def test_a_python_block_runs(block: Block, reader_folder, names, environment):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", with_stand_ins(block.text, names)],
        cwd=reader_folder,
        env=environment,
        timeout=SECONDS_VLLM if block.needs_vllm else SECONDS,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.vllm if "vllm" in script else ())
        for name, script in EXAMPLES.items()
    ],
)
@pytest.mark.timeout(SECONDS_VLLM)
def test_an_example_script_adds_the_caption_and_nothing_else(
    name: str, reader_folder: Path, names, environment
):
    script = reader_folder / f"{name}.py"
    script.write_text(with_stand_ins(EXAMPLES[name], names))
    subprocess.run([sys.executable, script], cwd=reader_folder, env=environment, check=True)
    given = json.loads((reader_folder / "capsbench_captions.json").read_text())
    output = (reader_folder / "cache_local" / "caption_task_step1.json").read_text()
    written = json.loads(output)
    assert [[*row.items()][:-1] for row in written] == [[*row.items()] for row in given]
    assert [[*row][-1] for row in written] == ["caption"] * len(given)
    assert written[0]["caption"].startswith("A small purple square")


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_readme_shows_the_example_scripts_as_they_are(name: str):
    assert EXAMPLES[name] in [block.text for block in blocks("python")]


def test_the_readme_shows_what_the_demo_shows(reader_folder, environment):
    command = "dataflow caption examples/scenes --model demo --show"
    assert command in (ROOT / "Makefile").read_text().replace(" -o demo-output/captions.jsonl", "")
    output = reader_folder / "captions.jsonl"
    done = subprocess.run(
        [*command.split(), "-o", output], cwd=ROOT, env=environment, capture_output=True, check=True
    )
    shown = next(block for block in blocks("text") if block.page.name == "README.md")
    assert fits(shown.text, done.stdout.decode())


@pytest.mark.parametrize("block", [pytest.param(b, id=b.name) for b in blocks()])
def test_a_block_has_a_known_language_and_can_be_read(block: Block, tmp_path):
    assert block.language in LANGUAGES, f"say what {block.name} is, and here how it is checked"
    if block.language == "json":
        json.loads(block.text)
    if block.language == "python":
        ast.parse(block.text)
    if block.language == "toml":
        (tmp_path / "page.toml").write_text(block.text)
        assert READ_TOML[block.page.name](str(tmp_path / "page.toml"))
    if block.language == "bash":
        subprocess.run(["bash", "-n"], input=block.text, text=True, check=True)
    if block.language == "yaml":
        yaml = pytest.importorskip("yaml")
        assert yaml.safe_load(block.text)
    if block.language == "console":
        assert commands_of(block.text)


def test_every_option_that_a_page_names_is_there():
    known = set(re.findall(r"--[a-z][a-z-]*", (ROOT / "docs" / "cli.md").read_text()))
    for block in blocks("console"):
        for command in commands_of(block.text):
            if command.text.startswith("dataflow"):
                assert set(re.findall(r"(?<!\S)--[a-z][a-z-]*", command.text)) <= known, block.name
