"""How a run ended, as a small table."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from dataflow.app.reporter import RunReport
from dataflow.billing.price import NoPrice, Price, dollars
from dataflow.display.language import explained_kind, rows_in_language, sentence
from dataflow.display.plain import say, say_rows
from dataflow.display.units import duration, tokens
from dataflow.engine.reporting.failure_messages import FailureMessage
from dataflow.engine.reporting.progress import Summary


def show_summary(report: RunReport, console: Console) -> None:
    """Print the outcome of a run."""
    summary, rows = report.summary, list[tuple[str, str]]()
    rows.append(("rows", f"{summary.rows:,}"))
    wanted = summary.captioned + sum(summary.flagged.values()) + sum(summary.failed.values())
    several = f" of {wanted:,} captions" if wanted > summary.rows else ""
    rows.append(("captioned", f"{summary.captioned:,}{several}"))
    for kind, count in summary.flagged.items():
        rows.append((f"flagged: {kind}", f"{count:,}"))
    for kind, count in summary.failed.items():
        rows.append((f"failed: {kind}", f"{count:,}"))
    if summary.open:
        rows.append(("open", f"{summary.open:,}"))
    rows += _left_out(report)
    if summary.reused:
        rows.append(("not asked again", f"{summary.reused:,}"))
    if summary.asked_again:
        rows.append(("asked again", f"{summary.asked_again:,}{_asks(summary)}"))
    rows.append(("requests", f"{summary.requests:,}"))
    rows.append(("time", duration(summary.seconds)))
    rows.append(("tokens", _tokens(summary)))
    if summary.requests:
        rows.append(_cost(summary, report.price))
    rows.append(("output", report.output))
    if summary.errors is not None:
        rows.append(("errors", str(summary.errors)))
    say_rows(console, rows_in_language(rows))
    _show_failures(summary.failures, console)
    if step := _next_step(report):
        say(console, sentence(f"Next: {step}."))


def _show_failures(failures: Sequence[FailureMessage], console: Console) -> None:
    """The commonest message of each kind of failure, and its cure."""
    for failure in failures:
        share = "" if failure.share == failure.count else f", {failure.share:,} of them like this"
        say(console, f"{failure.count:,} {failure.kind}{share}: {failure.message}")
        if words := explained_kind(failure.kind):
            say(console, f"  {words}")
        elif failure.cure:
            say(console, f"  cure: {failure.cure}")


def _next_step(report: RunReport) -> str:
    """What most people do now."""
    summary = report.summary
    if summary.open:
        return ""  # the limit's own message says it
    if summary.failed and summary.errors is not None:
        return f"read {summary.errors}, mend what it names, and run the same command again"
    if summary.flagged and summary.errors is not None:
        return (
            f"look at the flagged captions in {summary.errors}; `dataflow check --fix` asks again"
        )
    return ""


def _left_out(report: RunReport) -> list[tuple[str, str]]:
    """What of the input is not in the output, and why."""
    summary, rows = report.summary, list[tuple[str, str]]()
    if summary.dropped:
        rows.append(("dropped", f"{summary.dropped:,} rows, because a caption was rejected"))
    if summary.skipped:
        rows.append(("left out: bad_line", f"{summary.skipped:,}"))
    if report.skipped_pictures:
        rows.append(("left as they are", f"{report.skipped_pictures:,}"))
    for reason, count in sorted(report.passed_over.items()):
        rows.append(("passed over", f"{count:,} {reason}"))
    return rows


def _cost(summary: Summary, price: Price | NoPrice) -> tuple[str, str]:
    """The line about money; about speed where no money is spent."""
    if isinstance(price, NoPrice):
        return "cost", f"not known: {price.reason}"
    if price.is_free:
        speed = (summary.usage.completion_tokens or 0) / max(summary.seconds, 0.001)
        return "speed", f"{speed:.0f} tokens/s"
    if not summary.cost and summary.uncounted:
        text = f"not known: the server reported no tokens for {summary.uncounted:,} requests"
    elif summary.uncounted:
        text = (
            f"{dollars(summary.cost)} ({price.source}), and {summary.uncounted:,} requests for "
            "which the server reported no tokens"
        )
    else:
        text = f"{dollars(summary.cost)} ({price.source})"
    if summary.assumed:
        text += (
            f"; of {summary.assumed:,} that the server may have charged for, the limit assumed "
            f"{dollars(summary.assumed_cost)}"
        )
    if summary.unpriced:
        text += f", and {summary.unpriced:,} requests whose price is not known"
    return "cost", text


def _tokens(summary: Summary) -> str:
    is_unknown = summary.uncounted and not any(summary.usage.counts())
    return "not reported by the server" if is_unknown else tokens(summary.usage)


def _asks(summary: Summary) -> str:
    """How often a caption was asked for, on the average."""
    asked = summary.captioned + sum(summary.flagged.values()) + sum(summary.failed.values())
    asked -= summary.reused
    if summary.dropped or asked <= 0:  # of dropped rows nobody knows how many captions they had
        return ""
    return f", {1 + summary.asked_again / asked:.2f} asks a caption"
