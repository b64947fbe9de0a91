"""`dataflow score`: captions held against people's captions and against what pictures hold."""

from __future__ import annotations

import json

from dataflow.app.options.evaluation.score import ScoreOptions
from dataflow.cli.shell.console import console
from dataflow.cli.shell.streams import need_stdout, put

EXAMPLES = (
    "dataflow score captions.jsonl --clip jina-clip-v2 --clip-url https://api.jina.ai/v1",
    "dataflow score captions.jsonl --references captions_val2017.json",
    "dataflow score captions.parquet --objects labels --synonyms synonyms.json",
)


def score(options: ScoreOptions) -> None:
    """Score the captions of DATASET: BLEU, ROUGE-L, CIDEr-D, invented objects, CLIPScore.

    No model is asked but the one of --clip.
    """
    from dataflow.app.evaluation.score import score as scored
    from dataflow.app.evaluation.score import score_value
    from dataflow.cli.shell.reporting import reporter
    from dataflow.display.score import show_score

    if options.json:
        need_stdout("--json")
    result = scored(options, reporter(console))
    if options.json:
        put([json.dumps(score_value(result), ensure_ascii=False)])
    else:
        show_score(result, console)
