"""The command line is made from the options dataclasses: flags, aliases, help, config files."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from dataflow.app.options.commands.caption import CaptionOptions
from dataflow.app.options.commands.check import CheckOptions
from dataflow.app.options.commands.estimate import EstimateOptions
from dataflow.app.options.option import option_fields
from dataflow.cli.main import dataflow as program
from dataflow.cli.parser.command import command
from dataflow.cli.parser.entries import ENTRIES
from dataflow.core.errors import UsageError


@pytest.fixture
def parsed():
    """Parses arguments of `dataflow caption` into its options."""

    def parse(*arguments: str) -> CaptionOptions:
        found: list[CaptionOptions] = []

        def caption(options: CaptionOptions) -> None:
            """Keep the options."""
            found.append(options)

        command(CaptionOptions, caption).main(list(arguments), standalone_mode=False)
        return found[0]

    return parse


@pytest.fixture
def run():
    return lambda *arguments: CliRunner().invoke(program, list(arguments))


@pytest.mark.parametrize("options", [CaptionOptions, EstimateOptions, CheckOptions])
def test_every_option_has_a_help_text_that_ends_as_a_sentence_does(options):
    for known in option_fields(options):
        assert len(known.option.help) > 10, known.name
        assert known.option.is_argument or known.group != "Options", known.name


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda one: one.name)
def test_the_help_of_all_says_of_each_command_what_its_own_does(entry):
    made = entry.make()
    assert made.name == entry.name
    short = click.Command(entry.name, help=entry.help).get_short_help_str(1000)
    assert short == made.get_short_help_str(1000)


@pytest.mark.parametrize("found", ENTRIES, ids=lambda one: one.name)
def test_every_command_has_help_with_examples_under_both_flags(run, found):
    pages = {run(found.name, flag).output for flag in ("-h", "--help")}
    assert len(pages) == 1
    assert "Examples:" in pages.pop()


@pytest.mark.parametrize(
    ("old", "name", "value"),
    [
        (["--fresh"], "restart", True),
        (["--durable"], "fsync", True),
        (["--spread"], "flatten", True),
        (["--most-alike", "4"], "max_duplicates", 4),
    ],
)
def test_a_former_name_of_an_option_still_works_and_is_not_shown(parsed, run, old, name, value):
    assert getattr(parsed("photos", *old), name) == value
    assert old[0] not in run("caption", "--help").output


@pytest.mark.parametrize(
    ("given", "cure"),
    [
        ("--api-key", "--key-env"),
        ("--api_key", "--key-env"),
        ("--token", "--key-env"),
        ("--promt", "--prompt"),
        ("--max_side", "--max-side"),
        ("--dry-run", "dataflow estimate"),
        ("--resume", "resumes by itself"),
        ("--top-p", "--body top_p=0.9"),
    ],
)
def test_an_option_that_there_is_not_leads_to_the_one_that_was_meant(run, given, cure):
    done = run("caption", "photos", given, "x")
    assert done.exit_code == 2
    assert cure in done.output


@pytest.mark.parametrize(("given", "cure"), [("capton", "caption"), ("photos", "dataflow caption")])
def test_a_command_that_there_is_not_leads_to_one(run, given, cure):
    assert cure in run(given).output


def test_pairs_are_json_or_text(parsed):
    options = parsed("photos", "--body", "a.b=false", "--body", "effort=low", "-H", "X-A: b c")
    assert options.body == {"a.b": False, "effort": "low"}
    assert options.header == {"X-A": "b c"}


@pytest.mark.parametrize("given", ["=1", "top_p", ""])
def test_a_pair_that_is_none_is_refused(parsed, given):
    with pytest.raises(UsageError, match="FIELD=VALUE"):
        parsed("photos", "--body", given)


def test_a_switch_takes_a_value_after_an_equals_sign_only(parsed):
    assert parsed("--allow-private-urls", "photos").allow_private_urls is True
    assert parsed("--allow-private-urls=10.0.0.0/8", "photos").allow_private_urls == "10.0.0.0/8"
    assert parsed("photos").allow_private_urls is False


def test_options_come_from_a_file_and_the_command_line_wins(parsed, tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(
        'source = "photos"\nmax-side = 512\nprompt = "Why?"\nforbid = "blur"\nfresh = true\n'
        'api_url = ["http://a/v1", "http://b/v1"]\nallow_private_urls = true\n'
        '[body]\ntop_p = 0.5\nstop = "0.5"\n'
    )
    options = parsed("--config", str(path), "--max-side", "640")
    assert (options.source, options.max_side, options.prompt) == ("photos", 640, "Why?")
    assert (options.forbid, options.restart) == (["blur"], True)
    assert options.api_url == ["http://a/v1", "http://b/v1"]
    assert options.allow_private_urls is True
    assert options.body == {"top_p": 0.5, "stop": "0.5"}


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("max_sid = 3\n", "did you mean max_side"),
        ("[caption]\nmax_side = 3\n", "see --help"),
        ("[max_side]\na = 3\n", "NAME = VALUE"),
        ("max_side = \n", "TOML"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused(parsed, tmp_path, text, cure):
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=cure):
        parsed("photos", "--config", str(path))


def test_a_file_that_is_not_there_is_refused(parsed):
    with pytest.raises(UsageError, match="cannot be read"):
        parsed("photos", "--config", "gone.toml")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_completion(run, shell):
    done = run("--show-completion", shell)
    assert done.exit_code == 0
    assert "_DATAFLOW_COMPLETE" in done.output


@pytest.mark.parametrize("flag", ["-V", "--version"])
def test_the_version_is_shown(run, flag):
    assert run(flag).output.startswith("dataflow ")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_side": 1}, "from 28 to 16384"),
        ({"max_side": "768"}, "a whole number"),
        ({"on_bad_row": "ignore"}, "fail or skip"),
        ({"temperature": float("nan")}, "a number"),
        ({"meta": 3}, "true or false"),
    ],
)
def test_values_are_checked_wherever_they_come_from(options, words):
    with pytest.raises(UsageError, match=words):
        CaptionOptions(source="photos", **options)
