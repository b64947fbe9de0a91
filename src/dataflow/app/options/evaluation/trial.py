"""All options of `dataflow try`: the dataset, the models and prompts, and the judge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from dataflow.app.options.local_engine import LocalEngineOptions
from dataflow.app.options.option import Option, Options
from dataflow.app.options.request import RequestOptions
from dataflow.app.options.requirements import RequirementOptions
from dataflow.app.options.run import WholeRunOptions
from dataflow.app.options.source import SourceOptions


@dataclass(frozen=True, kw_only=True)
class TrialSettings(Options):
    """What is tried on which sample, and who judges it."""

    GROUP: ClassVar[str] = "Trial"

    source: Annotated[
        str,
        Option(
            "The dataset, in any form that dataflow caption takes.",
            is_argument=True,
            metavar="INPUT",
        ),
    ]
    models: Annotated[
        list[str],
        Option(
            "The models: a name at --api-url, NAME@URL for one at another API, vllm:MODEL for one "
            "that vLLM runs here, or, without any API, a model for the built-in llama.cpp.",
            is_argument=True,
            metavar="MODEL...",
        ),
    ]
    sample: Annotated[int, Option("Try this many rows, drawn at random.", metavar="N", least=1)] = (
        50
    )
    seed: Annotated[int, Option("The seed of the sample and of the intervals.", metavar="N")] = 0
    output: Annotated[
        str,
        Option(
            "The folder for the captions and the results.",
            flags=("-o", "--output"),
            metavar="FOLDER",
        ),
    ] = "trial"
    prompt: Annotated[
        list[str] | None,
        Option(
            "A question to try with every model; give it several times for several.",
            flags=("-p", "--prompt"),
            metavar="TEXT",
        ),
    ] = None
    preset: Annotated[
        list[str] | None,
        Option(
            "A preset to try with every model; give it several times for several.",
            metavar="NAME|FILE",
        ),
    ] = None
    system_prompt: Annotated[
        str | None, Option("The system message of all of them.", metavar="TEXT")
    ] = None
    max_tokens: Annotated[
        int | None, Option("The most tokens of one answer.", metavar="N", least=1)
    ] = None
    temperature: Annotated[
        float | None, Option("The sampling temperature of all of them.", least=0.0, most=2.0)
    ] = None
    json: Annotated[bool, Option("Print the result as JSON.")] = False


@dataclass(frozen=True, kw_only=True)
class TrialModelOptions(Options):
    """Where the models are."""

    GROUP: ClassVar[str] = "Model"

    api_url: Annotated[
        str | None,
        Option(
            "The base URL of the OpenAI-compatible API of all models that name no other.",
            hidden=("--base-url", "--api-base", "--url"),
            metavar="URL",
        ),
    ] = None
    key_env: Annotated[
        list[str] | None,
        Option(
            "The environment variable that holds the API key. Give it once, or once for each MODEL "
            "in the same order.",
            metavar="VAR",
            default="DF_API_KEY",
        ),
    ] = None
    judge: Annotated[
        str | None,
        Option(
            "The vision model that compares the captions, as NAME or NAME@URL; without one, "
            "captions are ranked by their faults alone.",
            metavar="MODEL",
        ),
    ] = None
    judge_key_env: Annotated[
        str | None,
        Option(
            "The environment variable that holds the judge's API key.",
            metavar="VAR",
            default="the first of --key-env",
        ),
    ] = None
    judge_prompt: Annotated[
        str | None,
        Option("A file with your own question to the judge; see dataflow compare.", metavar="FILE"),
    ] = None


@dataclass(frozen=True, kw_only=True)
class TrialBudgetOptions(Options):
    """What the trial may cost, and what the models' tokens cost."""

    GROUP: ClassVar[str] = "Budget"

    max_cost: Annotated[
        float | None,
        Option(
            "Spend no more than this on the whole trial, judge included. Needs --max-tokens.",
            metavar="DOLLARS",
            least=0.0,
        ),
    ] = None
    prices: Annotated[
        str | None,
        Option("A .toml file with your prices, by model and API.", metavar="FILE"),
    ] = None


@dataclass(frozen=True, kw_only=True)
class TrialOptions(
    TrialBudgetOptions,
    WholeRunOptions,
    RequestOptions,
    RequirementOptions,
    LocalEngineOptions,
    SourceOptions,
    TrialModelOptions,
    TrialSettings,
):
    """The options of `dataflow try`."""
