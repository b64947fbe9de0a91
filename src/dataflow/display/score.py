"""What `dataflow score` found, as a table."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dataflow.app.evaluation.score import ScoreResult
from dataflow.evaluate.statistics import IntervalEstimate

_SHOWN = 10


def show_score(result: ScoreResult, console: Console) -> None:
    """Print the result for people."""
    table = Table(show_header=False)
    if result.references is not None:
        found = result.references
        table.add_row("captions with references", f"{found.captions:,}")
        if found.unmatched:
            table.add_row("without, left out", f"{found.unmatched:,}")
        table.add_row("BLEU-1 to BLEU-4", "  ".join(f"{one:.4f}" for one in found.bleu))
        table.add_row("ROUGE-L", _shown(found.rouge_l))
        table.add_row("CIDEr-D", _shown(found.cider_d))
    if result.clip is not None:
        clip = result.clip
        table.add_row("CLIPScore", _shown(clip.clip_score))
        table.add_row("RefCLIPScore", _shown(clip.ref_clip_score))
        counted = "counted" if clip.is_exact else "estimated"
        table.add_row(
            f"longer than the encoder's {clip.limit} tokens", f"{clip.cut:.1%}, {counted}"
        )
        if clip.failed:
            table.add_row("without a vector", f"{clip.failed:,}")
    if result.objects is not None:
        table.add_row("captions that invent objects", _shown(result.objects.chair_s))
        table.add_row("objects that are invented", _shown(result.objects.chair_i))
        table.add_row("objects that are named", _shown(result.objects.recall))
        invented = list(result.objects.invented.items())[:_SHOWN]
        names = ", ".join(f"{name} ({count})" for name, count in invented)
        table.add_row("invented most", Text(names or "none"))
    console.print(table)
    if result.references is not None and result.references.is_long:
        console.print(
            f"The captions have {result.references.words:.0f} words on average. These scores were "
            "made for captions of about ten words and punish longer ones."
        )


def _shown(estimate: IntervalEstimate | None) -> str:
    if estimate is None:
        return "none"
    return f"{estimate.value:.4f} (95 % interval {estimate.low:.4f} to {estimate.high:.4f})"
