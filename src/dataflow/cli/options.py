"""The options of the commands, each with its help; `Choices` are those of `dataflow caption`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated

import typer

from dataflow.engine.forecast import SAMPLE


class ExistingCaption(str, Enum):
    """What to do about a picture that has a sidecar with a caption."""

    skip = "skip"
    append = "append"
    prepend = "prepend"
    overwrite = "overwrite"


class OnBadRow(str, Enum):
    """What to do about a row of INPUT that cannot be read."""

    fail = "fail"
    skip = "skip"


Source = Annotated[
    str,
    typer.Argument(
        metavar="INPUT",
        help="A folder of pictures, a quoted pattern of them ('photos/**/*.png'), one picture, a "
        ".json, .jsonl, .csv, .tsv, .parquet, .arrow, .feather, .tar or COCO dataset, or a folder "
        "of such; '{000..123}.tar' in quotes; hf:NAME[:CONFIG][:SPLIT] of the Hugging Face "
        "hub, ms:NAME… of ModelScope.",
    ),
]
OutputFile = Annotated[
    str | None,
    typer.Option(
        "-o",
        "--output",
        help="Where the rows go; the ending decides the format.",
        show_default="NAME.captions.jsonl beside INPUT",
    ),
]
OutputFormat = Annotated[
    str | None,
    typer.Option(metavar="FORMAT", help="Its format by name, where the ending does not tell."),
]
Model = Annotated[
    str | None,
    typer.Option(
        help="For the embedded llama.cpp: demo, a local .gguf (with --mmproj) or a repository of "
        "the Hugging Face hub. With --api-url: the model's name there.",
        show_default="ggml-org/SmolVLM-500M-Instruct-GGUF",
    ),
]
Mmproj = Annotated[
    str | None, typer.Option(help="The picture encoder's .gguf that belongs to --model.")
]
Vllm = Annotated[
    str | None,
    typer.Option(metavar="MODEL", help="Use local vLLM with this hub repository or folder."),
]
ApiUrl = Annotated[
    list[str] | None,
    typer.Option(
        metavar="URL",
        help="Use an OpenAI-compatible API; it may cost money. Several times: spread over them.",
    ),
]
Endpoints = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="More endpoints of the API, one on each line: its URL and, if it has a key of its "
        "own, the environment variable that holds it.",
    ),
]
Rpm = Annotated[
    float | None,
    typer.Option("--rpm", min=0.001, help="Requests a minute at most.", show_default="no limit"),
]
Tpm = Annotated[
    float | None,
    typer.Option(
        "--tpm", min=1.0, help="Tokens a minute at most, read and written.", show_default="no limit"
    ),
]
KeyEnv = Annotated[
    list[str] | None,
    typer.Option(
        metavar="VAR",
        help="The environment variable that holds the API key; one for all, or one for each "
        "--api-url in their order.",
        show_default="DF_API_KEY",
    ),
]
KeyFile = Annotated[
    str | None,
    typer.Option(
        metavar="FILE", help="A file whose first line is the API key, instead of the variable."
    ),
]
ImageKey = Annotated[str, typer.Option(help="The column with the pictures.")]
OutputKey = Annotated[str, typer.Option(help="The column to add.")]
OverwriteColumn = Annotated[
    bool,
    typer.Option("--overwrite-column", help="Replace that column where INPUT has it already."),
]
SystemPrompt = Annotated[str, typer.Option(help="Sent as the system message; none when empty.")]
Prompt = Annotated[
    str | None,
    typer.Option(
        help="The question for every picture, instead of the dataset's own conversations.",
        show_default="the row's conversation, else: Please describe the image in detail.",
    ),
]
PromptTemplate = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT",
        help="The question, made of each row's fields: 'Title: {title}. Describe the picture.'",
    ),
]
PromptFile = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Ask several things about each picture: a TOML file, whose every [name] is a column.",
    ),
]
Several = Annotated[
    int, typer.Option("--n", min=1, max=100, help="Captions of each picture; 2 or more as a list.")
]
Concurrency = Annotated[
    int | None,
    typer.Option(min=1, max=4096, help="Requests in flight.", show_default="found while it runs"),
]
Limit = Annotated[int | None, typer.Option(min=1, help="Take only so many rows.")]
BadRows = Annotated[
    OnBadRow,
    typer.Option(
        "--on-bad-row",
        help="A row that cannot be read stops the run before anything is spent, or is left out "
        "and listed in the errors file.",
    ),
]
MaxTokens = Annotated[int | None, typer.Option(min=1, help="Tokens of one caption at most.")]
PriceIn = Annotated[
    float | None,
    typer.Option(
        min=0.0,
        metavar="DOLLARS",
        help="US dollars per million tokens read, where the price is not listed or not yours.",
    ),
]
PriceOut = Annotated[
    float | None,
    typer.Option(
        min=0.0, metavar="DOLLARS", help="US dollars per million tokens written; with --price-in."
    ),
]
MaxCost = Annotated[
    float | None,
    typer.Option(
        min=0.0,
        metavar="DOLLARS",
        help="Spend no more in this run: no request starts that could pass it. Needs --max-tokens.",
    ),
]
MaxTokensTotal = Annotated[
    int | None,
    typer.Option(
        min=0, metavar="TOKENS", help="The same for the tokens of this run, read and written."
    ),
]
Meta = Annotated[
    bool,
    typer.Option(
        "--meta",
        help="Add a column, the caption's name with _meta, with status, finish reason, attempts, "
        "seconds, model, tokens and cost.",
    ),
]
Temperature = Annotated[
    float | None, typer.Option(min=0.0, max=2.0, help="0 for the likeliest words.")
]
Seed = Annotated[int | None, typer.Option(help="Of the engine's sampling.")]
MaxSide = Annotated[
    int, typer.Option(min=28, max=16384, help="Shrink pictures to this side, in pixels.")
]
Fresh = Annotated[
    bool, typer.Option("--fresh", help="Ask everything again; a former journal is set aside.")
]
RetryFailed = Annotated[
    bool, typer.Option("--retry-failed", help="Ask again for rows the engine turned down.")
]
Durable = Annotated[
    bool, typer.Option("--durable", help="Survive a power cut, not only a crash; slower.")
]
Batch = Annotated[
    bool,
    typer.Option(
        "--batch", help="Ask through the API's Batch API: answers within hours, at a lower price."
    ),
]
BatchThenLive = Annotated[
    bool,
    typer.Option(
        "--batch-then-live", help="Like --batch; what a batch leaves unanswered is asked at once."
    ),
]
Detach = Annotated[
    bool,
    typer.Option(
        "--detach", help="Like --batch, without waiting: the same command again looks what is done."
    ),
]
BatchCancel = Annotated[
    bool,
    typer.Option("--batch-cancel", help="Cancel the batches under way; keep what they answered."),
]
BatchRequests = Annotated[int, typer.Option(min=1, help="Requests in one batch at most.")]
BatchSize = Annotated[
    float, typer.Option("--batch-mb", min=0.001, help="Megabytes (10^6 bytes) of one batch's file.")
]
BatchWindow = Annotated[
    str, typer.Option(help="The time in which the server is to be done with a batch.")
]
BatchPoll = Annotated[
    float, typer.Option(min=0.01, help="Seconds between two looks at the batches, at most.")
]
GiveUpAfter = Annotated[
    float, typer.Option(min=0.0, help="Seconds a server may be down before the run stops.")
]
Timeout = Annotated[
    float, typer.Option(min=1.0, help="Seconds for one request to an API, and its whole answer.")
]
PrivateUrls = Annotated[
    bool,
    typer.Option("--allow-private-urls", help="Let picture URLs point into private networks."),
]
ImageRoot = Annotated[
    str | None,
    typer.Option(metavar="FOLDER", help="Picture paths may not leave this folder."),
]
Show = Annotated[
    bool, typer.Option("--show", help="Print each picture's name and caption at the end.")
]
Probe = Annotated[
    int,
    typer.Option(
        min=0,
        max=1000,
        metavar="N",
        help="Really ask so many rows, to measure instead of assuming. They are paid; their "
        "answers are kept for the run.",
    ),
]
Sample = Annotated[
    int, typer.Option(min=2, help="Measure the pictures of so many requests at most.")
]
Json = Annotated[bool, typer.Option("--json", help="Print it as JSON on stdout.")]
Include = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PATTERN", help="Of a folder, only pictures that fit, such as '*.png' or 'a/**'."
    ),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option(metavar="PATTERN", help="Of a folder, no pictures that fit, nor folders."),
]
Sidecar = Annotated[
    str | None,
    typer.Option(
        metavar="ENDING",
        help="Write each caption into a file beside its picture, as trainers read them: .txt, "
        ".caption or .json.",
    ),
]
Existing = Annotated[
    ExistingCaption | None,
    typer.Option(
        help="With --sidecar, a picture that has one: leave it and do not ask, add after or before "
        "what is there, or replace it. {existing} in --prompt stands for what is there.",
        show_default="skip",
    ),
]
PushToHub = Annotated[
    str | None,
    typer.Option(
        metavar="REPO",
        help="At the end, put the .parquet output into this dataset of the Hugging Face hub, in "
        "one commit; a new one is private.",
    ),
]
RowsPerFile = Annotated[
    int | None,
    typer.Option(min=1, help="Write several files: NAME-00000-of-00012.jsonl and so on."),
]
Keep = Annotated[
    list[str] | None,
    typer.Option(metavar="FIELD", help="Of the rows' own fields, write only these."),
]
Drop = Annotated[
    list[str] | None, typer.Option(metavar="FIELD", help="Of the rows' own fields, not these.")
]


StatusOutput = Annotated[
    str,
    typer.Argument(
        metavar="OUTPUT",
        help="The output of a run, which need not be there yet.",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """The arguments of `dataflow caption`, as given; their help says what each is."""

    source: Source
    output: OutputFile = None
    output_format: OutputFormat = None
    model: Model = None
    mmproj: Mmproj = None
    vllm: Vllm = None
    api_url: ApiUrl = None
    endpoints: Endpoints = None
    key_env: KeyEnv = None
    key_file: KeyFile = None
    image_key: ImageKey = "image"
    output_key: OutputKey = "caption"
    overwrite_column: OverwriteColumn = False
    system_prompt: SystemPrompt = ""
    prompt: Prompt = None
    prompt_template: PromptTemplate = None
    prompt_file: PromptFile = None
    n: Several = 1
    concurrency: Concurrency = None
    rpm: Rpm = None
    tpm: Tpm = None
    limit: Limit = None
    on_bad_row: BadRows = OnBadRow.fail
    meta: Meta = False
    max_tokens: MaxTokens = None
    max_cost: MaxCost = None
    max_tokens_total: MaxTokensTotal = None
    price_in: PriceIn = None
    price_out: PriceOut = None
    temperature: Temperature = None
    seed: Seed = None
    max_side: MaxSide = 1024
    fresh: Fresh = False
    retry_failed: RetryFailed = False
    durable: Durable = False
    timeout: Timeout = 600.0
    give_up_after: GiveUpAfter = 600.0
    batch: Batch = False
    batch_then_live: BatchThenLive = False
    detach: Detach = False
    batch_cancel: BatchCancel = False
    batch_requests: BatchRequests = 50_000
    batch_mb: BatchSize = 200.0
    batch_window: BatchWindow = "24h"
    batch_poll: BatchPoll = 60.0
    allow_private_urls: PrivateUrls = False
    image_root: ImageRoot = None
    show: Show = False
    include: Include = None
    exclude: Exclude = None
    sidecar: Sidecar = None
    existing: Existing = None
    rows_per_file: RowsPerFile = None
    push_to_hub: PushToHub = None
    keep: Keep = None
    drop: Drop = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimateChoices(Choices):
    """The arguments of `dataflow estimate`: those of the run it tells of, and its own."""

    probe: Probe = 0
    sample: Sample = SAMPLE
    json: Json = False
