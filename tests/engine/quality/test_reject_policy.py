"""What becomes of answers that a check turns down: asked again, flagged, dropped or failed."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace

import pytest

from dataflow.billing.price import FREE
from dataflow.checks.forms.refusal import refusal
from dataflow.checks.rules.empty import empty
from dataflow.checks.rules.length import length
from dataflow.core.errors import (
    BadRequestError,
    EmptyCaptionError,
    LimitReachedError,
    OutOfMoneyError,
    RateLimitedError,
    UsageError,
)
from dataflow.core.protocols.check import Verdict
from dataflow.core.request import Reply, Usage
from dataflow.engine.estimate.dry_run import dry_run
from dataflow.engine.plan import SpendLimit
from dataflow.engine.quality.reject_policy import Fallback, RejectPolicy, mark_of, rejects_named
from dataflow.engine.reporting.status import status_of
from dataflow.engine.runner import run
from dataflow.serving.fake import FakeServing

REFUSAL = "I'm sorry, but I can't help with that."
LONG = "A cat sleeps on a mat beside a stove in the evening."
SHORT = "A cat sleeps."


class Says(FakeServing):
    """Gives these answers in their order, to each picture its own; keeps what it was asked."""

    def __init__(self, *answers, **more) -> None:
        super().__init__(self._next, max_workers=1, **more)
        several = answers and isinstance(answers[0], list)
        self.answers = list(answers) if several else [list(answers)]
        self.requests = []

    def _next(self, request, pictures):
        self.requests.append(request)
        return self.answers[pictures[0].width - 32].pop(0)  # its width is its number


def plan_of(dataset, serving, on_reject="reask", *, max_words=5, max_asks=3, meta=False, **more):
    checks = [empty, refusal, length(max_words=max_words)]
    mark = mark_of(max_words, on_reject, max_asks)
    rejects = replace(rejects_named(on_reject, max_asks=max_asks, mark=mark), **more)
    return replace(dataset.plan(serving, meta=meta), checks=checks, reject_policy=rejects)


def journalled(dataset):
    with sqlite3.connect(
        dataset.output.parent.joinpath("out.jsonl.dataflow", "journal.sqlite")
    ) as db:
        return db.execute(
            "SELECT ask, text, kind, changed, prompt_tokens, cost FROM attempts ORDER BY ask"
        ).fetchall()


def test_an_answer_that_is_turned_down_is_asked_for_again_and_the_next_one_kept(dataset):
    serving = Says(LONG, SHORT)
    summary = run(plan_of(dataset.add(1), serving))
    assert dataset.captions() == [SHORT]
    assert (summary.captioned, summary.flagged, summary.failed) == (1, {}, {})
    assert (summary.requests, summary.asked_again) == (2, 1)
    first, second = serving.requests
    assert second.turns[-1].parts[-1] == first.turns[-1].parts[-1] + "\n\nUse at most 5 words."


def test_every_answer_stays_in_the_journal_unedited_with_what_was_changed(dataset):
    answers = [Reply(LONG, usage=Usage(100, 20)), Reply(SHORT, usage=Usage(110, 5))]
    run(plan_of(dataset.add(1), Says(*answers)))
    assert journalled(dataset) == [
        (0, LONG, "length", None, 100, None),
        (1, SHORT, None, '{"follow_up": "Use at most 5 words."}', 110, None),
    ]


def test_a_first_answer_with_nothing_wrong_costs_no_line_of_its_own(dataset):
    run(plan_of(dataset.add(1), Says(SHORT)))
    assert journalled(dataset) == []


def test_the_best_answer_is_kept_and_flagged_where_none_is_good(dataset):
    summary = run(plan_of(dataset.add(1), Says(REFUSAL, LONG, REFUSAL), meta=True))
    [row], [line] = dataset.rows(), dataset.errors()
    assert row["caption"] == LONG
    meta = row["caption_meta"]
    assert (meta["status"], meta["verdict"], meta["asks"]) == ("flagged", "length", 3)
    assert meta["attempts"] == 3
    assert (line["kind"], line["kept"], line["dropped"], line["asks"]) == ("length", True, False, 3)
    assert line["message"] == "too long: 12 words, at most 5 are asked"
    assert (summary.captioned, summary.flagged, summary.failed) == (0, {"length": 1}, {})
    status = status_of(dataset.output)
    assert (status.captioned, status.flagged, status.failed) == (0, {"length": 1}, {})


@pytest.mark.parametrize("text", [REFUSAL, ""])
@pytest.mark.parametrize("on_reject", ["reask", "flag"])
def test_what_is_no_caption_at_all_is_never_put_in_the_caption_column(dataset, text, on_reject):
    summary = run(plan_of(dataset.add(1), Says(text, text, text), on_reject))
    assert dataset.captions() == [None]
    assert sum(summary.failed.values()) == 1
    assert summary.flagged == {}


def test_flag_asks_once(dataset):
    summary = run(plan_of(dataset.add(1), Says(LONG), "flag"))
    assert (dataset.captions(), summary.requests) == ([LONG], 1)


def test_fail_is_a_rows_error(dataset):
    summary = run(plan_of(dataset.add(1), Says(LONG), "fail"))
    assert dataset.captions() == [None]
    assert (summary.failed, summary.flagged) == ({"length": 1}, {})


@pytest.mark.parametrize(("on_reject", "answers"), [("drop", 1), ("reask-drop", 3)])
def test_drop_leaves_the_row_out_and_lists_it(dataset, on_reject, answers):
    serving = Says([LONG] * answers, [SHORT])
    summary = run(plan_of(dataset.add(2), serving, on_reject))
    assert [row["id"] for row in dataset.rows()] == ["00001"]
    assert (summary.rows, summary.dropped, summary.captioned) == (1, 1, 1)
    [line] = dataset.errors()
    assert (line["row"], line["dropped"], line["kept"]) == (0, True, False)


def test_a_row_that_failed_otherwise_is_not_dropped(dataset):
    summary = run(plan_of(dataset.add(1), Says(BadRequestError("no")), "drop"))
    assert (dataset.captions(), summary.dropped) == ([None], 0)


def test_an_ask_that_fails_leaves_the_best_of_the_answers_before_it(dataset):
    summary = run(plan_of(dataset.add(1), Says(LONG, BadRequestError("no temperature"))))
    assert dataset.captions() == [LONG]
    assert summary.flagged == {"length": 1}


def test_an_answer_without_text_is_asked_again(dataset):
    run(plan_of(dataset.add(1), Says(EmptyCaptionError("all thoughts"), SHORT)))
    assert dataset.captions() == [SHORT]


# --- further runs ------------------------------------------------------------------------------


def test_a_run_that_stopped_between_two_asks_goes_on_with_the_next(dataset):
    dataset.add(1)
    with pytest.raises(OutOfMoneyError):
        run(plan_of(dataset, Says(LONG, OutOfMoneyError("empty")), meta=True))
    serving = Says(Reply(SHORT, usage=Usage(10, 5)))
    run(plan_of(dataset, serving, meta=True))
    assert dataset.captions() == [SHORT]
    [request] = serving.requests
    assert request.turns[-1].parts[-1].endswith("Use at most 5 words.")
    assert dataset.rows()[0]["caption_meta"]["asks"] == 2
    assert [line[:2] for line in journalled(dataset)] == [(0, LONG), (1, SHORT)]


def test_the_same_command_again_asks_and_judges_nothing(dataset):
    run(plan_of(dataset.add(1), Says(LONG, LONG, LONG)))

    def never(text, context):
        raise AssertionError("judged again")

    plan = plan_of(dataset, Says())
    summary = run(replace(plan, checks=[never]))
    assert (summary.requests, summary.flagged) == (0, {"length": 1})


def test_a_laxer_check_takes_an_answer_that_is_there_and_pays_nothing(dataset):
    run(plan_of(dataset.add(1), Says(LONG, LONG + " Now.", LONG)))
    summary = run(plan_of(dataset, Says(), max_words=20))
    assert (summary.requests, summary.captioned, summary.flagged) == (0, 1, {})
    assert dataset.captions() == [LONG]


def test_a_stricter_check_asks_again_only_for_what_it_turns_down(dataset):
    run(plan_of(dataset.add(2), Says([SHORT], [LONG]), max_words=20, meta=True))
    serving = Says([], ["A dog runs."])
    summary = run(plan_of(dataset, serving, max_words=5, meta=True))
    assert dataset.captions() == [SHORT, "A dog runs."]
    assert (summary.requests, summary.reused) == (1, 1)
    # the caption that was good then is not lost
    assert [line[:2] for line in journalled(dataset)] == [(0, LONG), (1, "A dog runs.")]
    assert dataset.rows()[1]["caption_meta"]["attempts"] == 2


def test_answers_count_against_the_asks_of_a_later_run_and_more_asks_go_on(dataset):
    run(plan_of(dataset.add(1), Says(LONG, LONG), max_asks=2))
    assert run(plan_of(dataset, Says(SHORT), max_asks=3)).requests == 1
    assert dataset.captions() == [SHORT]


def test_retry_failed_asks_anew_for_what_was_flagged_and_keeps_it_where_nothing_is_better(dataset):
    run(plan_of(dataset.add(1), Says(LONG, LONG, LONG)))
    again = plan_of(dataset, Says(REFUSAL, REFUSAL, REFUSAL))
    assert run(replace(again, retry_failed=True)).requests == 3
    assert dataset.captions() == [LONG]
    again = plan_of(dataset, Says(SHORT))
    run(replace(again, retry_failed=True))
    assert dataset.captions() == [SHORT]


def test_another_way_with_rejects_needs_no_asking(dataset):
    run(plan_of(dataset.add(1), Says(LONG, LONG, LONG)))
    summary = run(plan_of(dataset, Says(), "drop"))
    assert (summary.requests, summary.dropped, dataset.rows()) == (0, 1, [])
    run(plan_of(dataset, Says(), "fail"))
    assert dataset.captions() == [None]
    run(plan_of(dataset, Says(), "flag"))
    assert dataset.captions() == [LONG]


def test_a_run_that_judges_nothing_leaves_flags_as_they_are(dataset):
    run(plan_of(dataset.add(1), Says(LONG), "flag"))
    summary = run(dataset.plan(Says()))
    assert (summary.requests, summary.flagged) == (0, {"length": 1})


# --- refinements, fallback, checks of one's own ------------------------------------------------


def test_a_refinement_makes_the_caption_and_the_text_stays_in_the_journal(dataset):
    serving = Says("The image shows a cat.")
    refine = [lambda text: text.removeprefix("The image shows ")]
    run(plan_of(dataset.add(1), serving, refine=refine))
    assert dataset.captions() == ["a cat."]
    assert [line[:3] for line in journalled(dataset)] == [(0, "The image shows a cat.", None)]
    plain = plan_of(dataset, Says())
    run(replace(plain, reject_policy=replace(plain.reject_policy, mark=99)))
    assert dataset.captions() == ["The image shows a cat."]


def test_the_last_ask_goes_to_the_fallback_model(dataset):
    first, other = Says(LONG, LONG, model="small"), Says(SHORT, model="large")
    run(plan_of(dataset.add(1), first, fallback=Fallback(other, FREE), meta=True))
    assert dataset.captions() == [SHORT]
    assert (first.asked, other.asked) == (2, 1)
    assert dataset.rows()[0]["caption_meta"]["model"] == "large"
    assert json.loads(journalled(dataset)[2][3])["model"] == "large"


@pytest.mark.parametrize("on_reject", ["reask", "flag", "drop", "fail"])
def test_a_fallback_that_nothing_would_be_asked_of_is_refused(on_reject):
    rejects = rejects_named(on_reject, max_asks=1, mark=0)
    with pytest.raises(UsageError, match="'large' gets the last of several asks"):
        replace(rejects, fallback=Fallback(Says(model="large"), FREE))


def test_a_fallback_of_a_later_run_is_asked_once_for_what_was_turned_down_before(dataset):
    run(plan_of(dataset.add(2), Says([LONG] * 3, [SHORT])))
    first, other = Says([], []), Says([LONG], [], model="large")
    fallback = Fallback(other, FREE)
    summary = run(plan_of(dataset, first, fallback=fallback, mark=7))
    assert (first.asked, other.asked, summary.reused) == (0, 1, 1)
    assert dataset.captions() == [LONG, SHORT]
    summary = run(plan_of(dataset, first, fallback=fallback, mark=8))
    assert (summary.requests, summary.flagged) == (0, {"length": 1})


def test_a_fallback_is_asked_about_no_picture_whose_caption_passed(dataset):
    run(plan_of(dataset.add(1), Says(LONG, SHORT)))
    other = Says(model="large")
    run(plan_of(dataset, Says(), fallback=Fallback(other, FREE), mark=7))
    assert (dataset.captions(), other.asked) == ([SHORT], 0)


def test_a_check_that_breaks_down_fails_its_row_and_the_answer_is_judged_again_later(dataset):
    def broken(text, context):
        raise ValueError("not today")

    plan = plan_of(dataset.add(1), Says(SHORT))
    summary = run(replace(plan, checks=[broken]))
    assert (summary.failed, summary.requests) == ({"check_failed": 1}, 1)
    assert "the check broken broke down: ValueError: not today" in dataset.errors()[0]["message"]
    assert run(plan_of(dataset, Says())).requests == 0
    assert dataset.captions() == [SHORT]


@pytest.mark.parametrize("said", [False, True, "too bad", ("x", "y"), Verdict(None, "y")])
def test_a_check_that_returns_no_verdict_stops_no_run_and_loses_no_answer(dataset, said):
    plan = plan_of(dataset.add(2), Says([SHORT], [SHORT]))
    summary = run(replace(plan, checks=[lambda text, context: said]))
    assert (summary.failed, summary.requests) == ({"check_failed": 2}, 2)
    assert "is to return a Verdict or None" in dataset.errors()[0]["message"]
    assert run(plan_of(dataset, Says())).requests == 0
    assert dataset.captions() == [SHORT, SHORT]


def test_checks_given_in_python_judge_again_in_each_run(dataset):
    def no_cats(text, context):
        return Verdict("cats", "it has a cat") if "cat" in text else None

    plan = dataset.add(1).plan(Says(SHORT))
    rejects = RejectPolicy(then="flag", mark=None)
    assert run(replace(plan, reject_policy=rejects)).captioned == 1
    again = replace(dataset.plan(Says()), reject_policy=rejects, checks=[empty, no_cats])
    assert run(again).flagged == {"cats": 1}


def test_names_of_what_to_do_are_known_or_refused():
    assert rejects_named("reask", mark=0).max_asks == 3
    assert rejects_named("drop", mark=0).max_asks == 1
    with pytest.raises(UsageError, match="reask-drop"):
        rejects_named("redo", mark=0)
    with pytest.raises(UsageError, match="once at least"):
        rejects_named("reask", max_asks=0, mark=0)


def test_rows_that_were_planned_but_not_judged_again_are_not_taken_for_judged(dataset):
    """Killed in between, a run left a plan that stands over answers of other checks."""
    first = dataset.add(1).plan(Says(LONG))
    assert first.fingerprint is not None, "or nothing is recalled"
    run(first)
    serving = Says(SHORT)
    again = replace(plan_of(dataset, serving), fingerprint=first.fingerprint)
    summary = run(again)
    assert (summary.requests, summary.reused) == (1, 0)
    assert dataset.captions() == [SHORT]


def test_what_was_flagged_is_recalled_with_the_output(dataset):
    run(plan_of(dataset.add(2), Says([LONG], [SHORT]), "flag"))
    summary = run(plan_of(dataset, Says(), "flag"))
    assert (summary.requests, summary.captioned, summary.flagged) == (0, 1, {"length": 1})
    run(plan_of(dataset, Says(), "drop"))
    assert run(plan_of(dataset, Says(), "drop")).dropped == 1


def test_failures_that_pass_between_two_asks_are_tried_again_and_counted(dataset):
    answers = [LONG, RateLimitedError("later"), Reply(SHORT, usage=Usage(10, 5))]
    run(plan_of(dataset.add(1), Says(*answers), meta=True))
    meta = dataset.rows()[0]["caption_meta"]
    assert (dataset.captions(), meta["asks"], meta["attempts"]) == ([SHORT], 2, 3)


def test_a_limit_on_tokens_holds_for_further_asks_and_a_later_run_goes_on(dataset):
    class Bounded(Says):
        def settings(self):
            return {"model": self.model, "sampling": {"max_tokens": 10}}

    answers = [Reply(LONG, usage=Usage(90_000, 10)), Reply(SHORT, usage=Usage(90_000, 5))]
    first = Bounded(*answers)
    plan = plan_of(dataset.add(1), first)
    with pytest.raises(LimitReachedError):
        run(replace(plan, spend_limit=SpendLimit(tokens=100_000)))
    assert first.asked == 1
    summary = run(plan_of(dataset, Bounded(answers[1])))
    assert (summary.requests, dataset.captions()) == (1, [SHORT])
    status = status_of(dataset.output)
    assert (status.usage.prompt_tokens, status.asked_again) == (180_000, 1)


def test_an_estimate_counts_what_retry_failed_would_ask_again(dataset):
    run(plan_of(dataset.add(2), Says([LONG], [SHORT]), "flag"))
    again = plan_of(dataset, Says(), "flag")
    assert dry_run(again).requests == 0
    assert dry_run(replace(plan_of(dataset, Says(), "flag"), retry_failed=True)).requests == 1
