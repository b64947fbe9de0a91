"""The commands by name: what their line of ``dataflow --help`` says, and where each is.

A command's file and its options are read when it is run; the help of all needs none of them.
"""

from __future__ import annotations

import importlib
from typing import NamedTuple

import click


class CommandEntry(NamedTuple):
    """A command that is not read yet.

    Attributes:
        name: What it is called on the command line.
        help: The first sentence of its help.
        function: The file in `cli/commands` and the function there, ``"check:check"``.
        options: The file under `app/options` and the dataclass there.
        examples: The name of its examples, in the function's file.
    """

    name: str
    help: str
    function: str
    options: str
    examples: str = "EXAMPLES"

    def make(self) -> click.Command:
        """The command."""
        from dataflow.cli.parser.command import command

        file, function = self.function.split(":")
        module = importlib.import_module(f"dataflow.cli.commands.{file}")
        file, options = self.options.split(":")
        dataclass = getattr(importlib.import_module(f"dataflow.app.options.{file}"), options)
        examples = getattr(module, self.examples)
        return command(dataclass, getattr(module, function), examples=examples)


ENTRIES = (
    CommandEntry(
        "caption",
        "Give every picture of INPUT a caption.",
        "caption:caption",
        "commands.caption:CaptionOptions",
    ),
    CommandEntry(
        "estimate",
        "Estimate the requests, tokens and cost of captioning INPUT.",
        "estimate:estimate",
        "commands.estimate:EstimateOptions",
    ),
    CommandEntry(
        "status",
        "Report how far the run of OUTPUT is: while it works, after it ended, and after a crash.",
        "status:status",
        "commands.status:StatusOptions",
    ),
    CommandEntry(
        "check",
        "Report which captions of DATASET are unfit for training, and what the captions are like.",
        "check:check",
        "commands.check:CheckOptions",
    ),
    CommandEntry(
        "write",
        "Write what a run has so far into OUTPUT, with null for what is open; nothing is asked.",
        "write:write",
        "commands.write:WriteOptions",
    ),
    CommandEntry(
        "merge",
        "Unite what the shards of OUTPUT have answered, and write OUTPUT from it; "
        "nothing is asked.",
        "cluster:merge",
        "commands.merge:MergeOptions",
        "MERGE_EXAMPLES",
    ),
    CommandEntry(
        "edits",
        "List the captions of OUTPUT that people edited, accepted or rejected.",
        "edits:edits",
        "commands.edits:EditsOptions",
    ),
    CommandEntry(
        "card",
        "Write the dataset card of OUTPUT and its Croissant metadata.",
        "card:card",
        "commands.card:CardOptions",
    ),
    CommandEntry(
        "try",
        "Try several MODELs or prompts on a sample of INPUT: price, speed, faults and quality.",
        "trial:try_",
        "evaluation.trial:TrialOptions",
    ),
    CommandEntry(
        "compare",
        "Say which of the DATASETs has the better captions, by a judge that sees each picture.",
        "compare:compare",
        "evaluation.compare:CompareOptions",
    ),
    CommandEntry(
        "ask",
        "Test the captions of OUTPUT by QUESTIONS that a model answers from the captions alone.",
        "ask:ask",
        "evaluation.ask:AskOptions",
    ),
    CommandEntry(
        "score",
        "Score the captions of DATASET: BLEU, ROUGE-L, CIDEr-D, invented objects, CLIPScore.",
        "score:score",
        "evaluation.score:ScoreOptions",
    ),
    CommandEntry(
        "serve",
        "Serve MODEL to the machines of a cluster, entered in a folder while it is up.",
        "cluster:serve",
        "commands.serve:ServeOptions",
        "SERVE_EXAMPLES",
    ),
    CommandEntry(
        "review",
        "Open a local page to look at the captions of DATASET, correct and accept them.",
        "review:review",
        "commands.review:ReviewOptions",
        "REVIEW_EXAMPLES",
    ),
    CommandEntry(
        "report",
        "Write one HTML file about the captions of DATASET, to hand round.",
        "review:report",
        "commands.review:ReportPageOptions",
        "REPORT_EXAMPLES",
    ),
    CommandEntry(
        "presets",
        "List the presets, or show one of them.",
        "presets:presets",
        "commands.presets:PresetsOptions",
    ),
)
"""All of them, in the order of the help."""
