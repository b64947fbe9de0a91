"""`dataflow score`: captions held against people's captions and against what pictures hold."""

from __future__ import annotations

import json

from dataflow.app.options.evaluation.score import ScoreOptions
from dataflow.cli.shell.console import console
from dataflow.cli.shell.streams import need_stdout, put

EXAMPLES = (
    "dataflow score captions.jsonl --references captions_val2017.json",
    "dataflow score captions.parquet --objects labels --synonyms synonyms.json",
)


def score(options: ScoreOptions) -> None:
    """Score the captions of DATASET: BLEU, ROUGE-L and CIDEr-D, and invented objects.

    No model is asked.
    """
    from dataflow.app.evaluation.score import score as scored
    from dataflow.app.evaluation.score import score_value
    from dataflow.display.score import show_score

    if options.json:
        need_stdout("--json")
    result = scored(options)
    if options.json:
        put([json.dumps(score_value(result), ensure_ascii=False)])
    else:
        show_score(result, console)
