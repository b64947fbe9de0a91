"""What `dataflow estimate` tells: a table for people, JSON for scripts."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from rich.console import Console

from dataflow.app.estimate import EstimateResult
from dataflow.billing.interval import Interval
from dataflow.billing.price import NoPrice, Price
from dataflow.display.plain import say_rows
from dataflow.engine.estimate.estimate import ASSUMED_ANSWER, CostBreakdown, Estimate

_OFF = 0.1  # a server that charges so much beside the rules deserves a word


def as_json(result: EstimateResult) -> str:
    """One JSON object."""
    found, expected, family, price = result.found, result.expected, result.family, result.price
    value: dict[str, Any] = {
        "model": result.model,
        "family": family.name if family else None,
        "rule": family.words if family else None,
        "source": family.source if family else None,
        "rows": found.rows,
        "rows_read": found.read,
        "rows_done": found.done,
        "rows_without_request": found.bad,
        "rows_left_out": found.skipped,
        "requests": asdict(expected.requests),
        "requests_measured": len(found.open),
        "unreadable": {kind: asdict(span) for kind, span in expected.unreadable.items()},
        **_bill(expected.bill),
        "price": price.source if isinstance(price, Price) else None,
        "answers_measured": expected.measured,
        "answers_checked": expected.checked,
        "charged_by_rule": expected.charged,
        "asks_measured": expected.asks,
        "max_asks": result.max_asks,
        "by_max_side": {str(side): _bill(bill) for side, bill in expected.by_side.items()},
    }
    return json.dumps(value, indent=2)


def _bill(bill: CostBreakdown) -> dict[str, Any]:
    return {
        "picture_tokens": asdict(bill.pictures) if bill.pictures else None,
        "text_tokens": asdict(bill.texts),
        "prompt_tokens": asdict(bill.prompt) if bill.prompt else None,
        "completion_tokens": asdict(bill.completion),
        "usd": asdict(bill.cost) if bill.cost else None,
    }


def show_estimate(result: EstimateResult, console: Console) -> None:
    """The result as a table, and one of other sizes below it."""
    say_rows(console, [*_rows(result), *_bill_rows(result)])
    if any(bill.prompt for bill in result.expected.by_side.values()):
        say_rows(console, _sides(result), gap=4)


def _rows(result: EstimateResult) -> list[tuple[str, str, str]]:
    found, expected = result.found, result.expected
    measured = f"distinct; pictures of {len(found.open):,} measured"
    rows = [("rows", f"{found.rows:,}", "")]
    if found.read < found.rows:
        rows.append(("read", f"{found.read:,}", "the first; the rest is taken to be like them"))
    if found.skipped:
        rows.append(("left out: bad_line", f"{found.skipped:,}", ""))
    rows.append(("answered already", f"{found.done:,}", ""))
    if found.bad:
        rows.append(("without a request", f"{found.bad:,}", "no picture, no readable question …"))
    rows.append(("requests to make", _number(expected.requests), measured))
    if result.max_asks > 1:
        rows.append(("asks", *_asks(result)))
    rows += [(f"unreadable: {k}", _number(v), "not asked") for k, v in expected.unreadable.items()]
    return rows


def _bill_rows(result: EstimateResult) -> list[tuple[str, str, str]]:
    expected, bill, price = result.expected, result.expected.bill, result.price
    family = result.family
    unknown = f"no rule is known for {result.model}"
    rows = [
        (
            "picture tokens",
            _number(bill.pictures) if bill.pictures else "unknown",
            f"{family.name}: {family.words}" if family else unknown,
        ),
        ("text tokens", _number(bill.texts), "about, by counting characters"),
        (
            "tokens read",
            _number(bill.prompt) if bill.prompt else "unknown",
            _checked(result),
        ),
        ("tokens written", _number(bill.completion), _measured(expected)),
    ]
    if isinstance(price, NoPrice):
        return [*rows, ("US dollars", "unknown", price.reason)]
    if price.is_free:
        return [*rows, ("US dollars", "0", price.source)]
    return [*rows, ("US dollars", _money(bill.cost) if bill.cost else "unknown", price.source)]


def _asks(result: EstimateResult) -> tuple[str, str]:
    note = f"a caption that is turned down is asked for again, {result.max_asks} times in all"
    if result.expected.asks is None:
        return "1 each", f"assumed; {note}"
    return f"{result.expected.asks:.2f} each", f"from {result.expected.checked} answers; {note}"


def _checked(result: EstimateResult) -> str:
    expected = result.expected
    if expected.charged is not None:
        note = f"checked by {expected.checked} answers"
        if abs(expected.charged - 1) > _OFF:
            note += f": the server counts {expected.charged:.2f} times what the rules say"
        return note
    if expected.checked:
        return f"from {expected.checked} answers"
    return "" if result.family else "--probe 5 measures it"


def _measured(expected: Estimate) -> str:
    if expected.measured:
        return f"from {expected.measured} answers"
    low, high = ASSUMED_ANSWER.low, ASSUMED_ANSWER.high
    return f"assumed {low:g} to {high:,g} an answer, thoughts not counted; --probe 5 measures it"


def _sides(result: EstimateResult) -> list[tuple[str, str, str]]:
    rows = [("--max-side", "tokens read", "US dollars")]
    for side, bill in result.expected.by_side.items():
        tokens = _number(bill.prompt) if bill.prompt else "unknown"
        rows.append((str(side), tokens, _money(bill.cost) if bill.cost else "unknown"))
    return rows


def _number(span: Interval) -> str:
    low, likely, high = (f"{round(value):,}" for value in (span.low, span.likely, span.high))
    return likely if low == high else f"{likely} ({low} to {high})"


def _money(span: Interval) -> str:
    def shown(value: float) -> str:
        return f"{value:,.2f}" if value >= 1 else f"{value:.2g}"

    if span.low == span.high:
        return shown(span.likely)
    return f"{shown(span.likely)} ({shown(span.low)} to {shown(span.high)})"
