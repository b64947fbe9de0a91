"""A run from rows to output, on a scripted engine."""

from __future__ import annotations

import asyncio
import itertools
import os
import threading

import pytest
from PIL import Image

from dataflow.core.errors import (
    AskTimeoutError,
    ConnectionLostError,
    EngineDiedError,
    GarbledReplyError,
    InputError,
    OutputError,
    OverloadedError,
    RateLimitedError,
    RefusedError,
    UnreachableError,
    WrongKeyError,
)
from dataflow.engine.columns import Column
from dataflow.engine.flow import retry_policy
from dataflow.engine.journal.journal import Journal
from dataflow.engine.pipeline import health
from dataflow.engine.plan import Output
from dataflow.engine.reporting.status import status_of
from dataflow.engine.runner import run
from dataflow.serving.fake import FakeServing


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch):
    rules = {
        kind: retry_policy.Rule(rule.attempts, rule.seconds, base=0.001, cap=0.002)
        for kind, rule in retry_policy.RULES.items()
    }
    monkeypatch.setattr(retry_policy, "RULES", rules)
    monkeypatch.setattr(retry_policy, "PROBE_WAITS", (0.01,))


def widths(count, start=0):
    return [f"width {32 + n % 200}" for n in range(start, start + count)]


def test_every_caption_stands_beside_the_picture_that_was_sent_for_it(dataset, width_of):
    serving = FakeServing(width_of, delay=lambda r, p: (p[0].width % 7) / 500, max_workers=16)
    summary = run(dataset.add(100).plan(serving))
    assert dataset.captions() == widths(100)
    assert [row["id"] for row in dataset.rows()] == [f"{i:05d}" for i in range(100)]
    assert (summary.rows, summary.captioned, summary.failed) == (100, 100, {})


def test_the_same_run_again_asks_nothing(dataset, width_of):
    run(dataset.add(20).plan(FakeServing(width_of)))
    again = FakeServing(width_of)
    summary = run(dataset.plan(again))
    assert again.asked == 0
    assert summary.reused == 20
    assert dataset.captions() == widths(20)


def test_a_finished_run_does_not_even_start_the_engine(dataset, width_of):
    class NeverStarted(FakeServing):
        def connect(self):
            raise AssertionError("started")

    run(dataset.add(3).plan(FakeServing(width_of)))
    run(dataset.plan(NeverStarted()))


def test_added_rows_alone_are_asked(dataset, width_of):
    run(dataset.add(10).plan(FakeServing(width_of)))
    dataset.add(5)
    dataset.names.reverse()
    again = FakeServing(width_of)
    run(dataset.write().plan(again))
    assert again.asked == 5
    assert dataset.captions() == widths(15)[::-1]


def test_a_replaced_picture_is_asked_again(dataset, width_of):
    run(dataset.add(5).plan(FakeServing(width_of)))
    Image.new("RGB", (77, 48)).save(dataset.folder / "0000.jpg")
    again = FakeServing(width_of)
    run(dataset.plan(again))
    assert again.asked == 1
    assert dataset.captions() == ["width 77", *widths(4, 1)]


def test_a_picture_replaced_by_the_bytes_of_another_gets_that_ones_caption_unasked(
    dataset, width_of
):
    run(dataset.add(5).plan(FakeServing(width_of)))
    (dataset.folder / "0000.jpg").write_bytes((dataset.folder / "0004.jpg").read_bytes())
    again = FakeServing(width_of)
    run(dataset.plan(again))
    assert again.asked == 0
    assert dataset.captions() == ["width 36", *widths(4, 1)]


@pytest.mark.parametrize("how", ["copied without times", "renamed", "moved", "through a link"])
def test_the_same_bytes_are_the_same_picture_wherever_they_lie(dataset, width_of, how):
    run(dataset.add(5).plan(FakeServing(width_of)))
    for number, name in enumerate(list(dataset.names)):
        path = dataset.folder / name
        if how == "copied without times":
            os.utime(path, (number, number))
        elif how == "renamed":
            dataset.names[number] = str(path.rename(dataset.folder / f"new-{name}").name)
        elif how == "moved":
            (dataset.folder / "sub").mkdir(exist_ok=True)
            path.rename(dataset.folder / "sub" / name)
            dataset.names[number] = f"sub/{name}"
        else:
            (dataset.folder / "link").symlink_to(dataset.folder) if number == 0 else None
            dataset.names[number] = f"link/{name}"
    again = FakeServing(width_of)
    summary = run(dataset.write().plan(again))
    assert again.asked == 0
    assert summary.reused == 5
    assert dataset.captions() == widths(5)


def test_a_copied_answer_is_not_counted_twice(dataset, width_of):
    run(dataset.add(3).plan(FakeServing(width_of)))
    before = status_of(dataset.output)
    for name in dataset.names:
        os.utime(dataset.folder / name, (1, 1))
    run(dataset.plan(FakeServing(width_of)))
    after = status_of(dataset.output)
    assert (after.attempts, after.usage) == (before.attempts, before.usage)


def test_another_prompt_or_model_asks_again(dataset, width_of):
    run(dataset.add(4).plan(FakeServing(width_of)))
    other_prompt, other_model = FakeServing(width_of), FakeServing(width_of, model="other")
    run(dataset.plan(other_prompt, system_prompt="Be brief."))
    run(dataset.plan(other_model))
    assert (other_prompt.asked, other_model.asked) == (4, 4)


def test_equal_requests_are_asked_once(dataset, width_of):
    dataset.add(3)
    dataset.names = dataset.names * 50
    serving = FakeServing(width_of, delay=0.01)
    run(dataset.write().plan(serving))
    assert serving.asked == 3
    assert dataset.captions() == widths(3) * 50


def test_a_failed_row_has_null_and_its_error_in_the_errors_file(dataset):
    def answer(request, pictures):
        return RefusedError("policy") if pictures[0].width == 33 else "fine"

    summary = run(dataset.add(3).plan(FakeServing(answer)))
    assert dataset.captions() == ["fine", None, "fine"]
    assert summary.failed == {"refused": 1}
    (error,) = dataset.errors()
    assert (error["row"], error["picture"], error["kind"]) == (1, ["0001.jpg"], "refused")
    assert error["message"] == "policy"


def test_an_errors_file_of_a_former_run_goes_when_all_is_well(dataset, width_of):
    run(
        dataset.add(2).plan(FakeServing(RefusedError("no") for _ in "ab"))
        if False
        else dataset.add(2).plan(FakeServing([RefusedError("no"), RefusedError("no"), "x", "x"]))
    )
    summary = run(dataset.plan(FakeServing(width_of), retry_failed=True))
    assert summary.errors is None
    assert not (dataset.folder / "out.jsonl.errors.jsonl").exists()


def test_a_refusal_is_not_paid_for_twice(dataset):
    run(dataset.add(2).plan(FakeServing([RefusedError("no"), "fine"], max_workers=1)))
    again = FakeServing([])
    assert run(dataset.plan(again)).failed == {"refused": 1}
    assert again.asked == 0


def test_an_unreadable_picture_spends_no_request(dataset, width_of):
    dataset.add(3)
    (dataset.folder / "0001.jpg").write_bytes(b"no picture")
    (dataset.folder / "0002.jpg").unlink()
    serving = FakeServing(width_of)
    summary = run(dataset.plan(serving))
    assert serving.asked == 1
    assert sum(summary.failed.values()) == 2
    assert dataset.captions() == ["width 32", None, None]


def test_a_mended_picture_is_asked_on_the_next_run(dataset, width_of):
    dataset.add(2)
    whole = (dataset.folder / "0001.jpg").read_bytes()
    (dataset.folder / "0001.jpg").unlink()
    run(dataset.plan(FakeServing(width_of)))
    (dataset.folder / "0001.jpg").write_bytes(whole)
    assert run(dataset.plan(FakeServing(width_of))).failed == {}
    assert dataset.captions() == widths(2)


def test_a_passing_fault_is_tried_again(dataset):
    tries: dict[int, int] = {}

    def answer(request, pictures):
        width = pictures[0].width
        tries[width] = tries.get(width, 0) + 1
        return OverloadedError("busy") if tries[width] < 3 else f"width {width}"

    summary = run(dataset.add(10).plan(FakeServing(answer, max_workers=4)))
    assert dataset.captions() == widths(10)
    assert summary.requests == 30


def test_a_row_whose_faults_do_not_pass_fails_alone_and_is_asked_again_later(dataset):
    def answer(request, pictures):
        return OverloadedError("busy") if pictures[0].width == 32 else "fine"

    summary = run(dataset.add(40).plan(FakeServing(answer, delay=0.001, max_workers=2)))
    assert summary.failed == {"overloaded": 1}
    again = FakeServing("now")
    run(dataset.plan(again))
    assert again.asked == 1
    assert dataset.captions()[0] == "now"


def test_a_row_that_kills_the_engine_every_time_fails_alone(dataset):
    def answer(request, pictures):
        return EngineDiedError("it died") if pictures[0].width == 34 else "fine"

    summary = run(dataset.add(20).plan(FakeServing(answer, max_workers=4)))
    assert summary.failed == {"engine_died": 1}
    assert summary.captioned == 19


def test_many_rows_that_are_never_answered_fail_by_themselves(dataset, monkeypatch):
    def answer(request, pictures):
        return "fine" if pictures[0].width < 32 + 18 else OverloadedError("HTTP 500")

    plan = dataset.add(30).plan(FakeServing(answer, max_workers=4), give_up_after=1.5)
    summary = run(plan)
    assert (summary.captioned, summary.failed) == (18, {"overloaded": 12})


def test_one_row_turned_down_without_a_reason_fails_alone(dataset):
    def answer(request, pictures):
        odd = pictures[0].width == 40
        return WrongKeyError("HTTP 403: a firewall's page", is_vague=True) if odd else "fine"

    summary = run(dataset.add(20).plan(FakeServing(answer, max_workers=1)))
    assert summary.failed == {"wrong_key": 1}


def test_a_page_in_place_of_answers_pauses_the_run_and_fails_no_row(dataset):
    asked = [0]

    def answer(request, pictures):
        asked[0] += 1
        return GarbledReplyError("down for maintenance") if 20 <= asked[0] < 60 else "fine"

    summary = run(dataset.add(100).plan(FakeServing(answer, max_workers=4)))
    assert summary.failed == {}


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("error", [OverloadedError, GarbledReplyError, AskTimeoutError])
def test_a_few_rows_that_nothing_answers_wait_no_longer_than_the_run_may(dataset, rows, error):
    def answer(request, pictures):
        raise error("the model is busy")

    plan = dataset.add(rows).plan(FakeServing(answer, max_workers=2), give_up_after=0.5)
    with pytest.raises(UnreachableError, match="the model is busy"):
        run(plan)
    run(dataset.plan(FakeServing("A boat.")))
    assert dataset.captions() == ["A boat."] * rows


def test_a_rate_limit_that_lets_nothing_through_is_told(dataset, caplog, monkeypatch):
    monkeypatch.setattr(health, "LONG_WAIT", 0.0)
    plan = dataset.add(1).plan(FakeServing([RateLimitedError("slow down"), "a"]))
    run(plan)
    assert "let nothing through" in caplog.text
    assert plan.progress.limited is None


def test_the_one_row_turned_down_without_a_reason_fails_alone_in_a_later_run_too(dataset):
    def answer(request, pictures):
        odd = pictures[0].width == 32 + 7
        return WrongKeyError("HTTP 400: it quotes the row", is_vague=True) if odd else "fine"

    for _ in range(2):
        assert run(dataset.add(10).plan(FakeServing(answer))).failed == {"wrong_key": 1}


def test_a_key_taken_away_during_the_run_stops_it(dataset):
    answers = ["fine"] * 5 + [WrongKeyError("HTTP 403", is_vague=True)] * 95
    serving = FakeServing(answers, max_workers=1)
    with pytest.raises(WrongKeyError):
        run(dataset.add(100).plan(serving))
    assert serving.asked == 5 + 3 + 1, "three refusals in a row, and the control"
    again = FakeServing("later")
    run(dataset.plan(again))
    assert again.asked == 95


def test_a_picture_added_during_the_run_leaves_the_other_captions_right(dataset, width_of):
    dataset.add(4)

    def answer(request, pictures):
        if dataset.names[0] == "0000.jpg":
            dataset.add(1)
            dataset.names.insert(0, dataset.names.pop())
            dataset.write()
        return f"width {pictures[0].width}"

    summary = run(dataset.plan(FakeServing(answer, max_workers=1)))
    assert dataset.captions() == [None, *widths(4)]
    assert summary.failed == {"changed": 1}


def test_a_picture_of_the_same_name_size_and_time_in_another_folder_is_another(dataset, width_of):
    dataset.add(1)
    other = type(dataset)(dataset.folder / "other")
    other.folder.mkdir()
    other.output = dataset.output
    other.add(1)
    for folder, colour in ((dataset.folder, "red"), (other.folder, "blue")):
        Image.new("RGB", (32, 48), colour).save(folder / "0000.jpg", "BMP")
    run(dataset.plan(FakeServing("the first")))
    found = (dataset.folder / "0000.jpg").stat()
    os.utime(other.folder / "0000.jpg", ns=(found.st_atime_ns, found.st_mtime_ns))
    run(other.plan(FakeServing("the second")))
    assert other.captions() == ["the second"]


def test_an_empty_answer_is_an_error_not_a_caption(dataset):
    summary = run(dataset.add(1).plan(FakeServing("  ")))
    assert summary.failed == {"empty": 1}
    assert dataset.captions() == [None]


def test_a_wrong_key_stops_the_run_and_leaves_what_was_answered(dataset):
    answers = ["one", "two", WrongKeyError("no such key")] + ["never"] * 97
    serving = FakeServing(answers, max_workers=1)
    with pytest.raises(WrongKeyError):
        run(dataset.add(100).plan(serving))
    assert serving.asked == 3
    assert [text for text in dataset.captions() if text] == ["one", "two"]
    again = FakeServing("later")
    run(dataset.plan(again))
    assert again.asked == 98


def test_no_more_requests_are_in_flight_than_allowed(dataset, width_of):
    serving = FakeServing(width_of, delay=0.01, max_workers=50)
    run(dataset.add(60).plan(serving, concurrency=7))
    assert serving.most_in_flight == 7


def test_limit_takes_the_first_rows(dataset, width_of):
    serving = FakeServing(width_of)
    assert run(dataset.add(10).plan(serving, limit=4)).rows == 4
    assert dataset.captions() == widths(4)


def test_fresh_asks_everything_again_and_keeps_the_old_journal(dataset, width_of, caplog):
    run(dataset.add(3).plan(FakeServing(width_of)))
    again = FakeServing("new")
    run(dataset.plan(again, restart=True))
    assert again.asked == 3
    assert dataset.captions() == ["new"] * 3
    assert "kept as" in caplog.text
    assert len(list(dataset.folder.glob("out.jsonl.dataflow/journal.sqlite.2*"))) == 1


def test_an_empty_dataset_gives_an_empty_output(dataset, width_of):
    assert run(dataset.write().plan(FakeServing(width_of))).rows == 0
    assert dataset.output.read_text() == ""


def test_a_broken_line_stops_the_run_before_anything_is_spent(dataset, width_of):
    dataset.add(5)
    with dataset.path.open("a") as file:
        file.write('{"image": \n')
    serving = FakeServing(width_of)
    with pytest.raises(InputError, match="line 6"):
        run(dataset.plan(serving))
    assert serving.asked == 0


def test_a_second_run_on_one_output_is_told_who_holds_it(dataset, width_of):
    dataset.add(1)
    started, go_on = threading.Event(), threading.Event()

    def answer(request, pictures):
        started.set()
        go_on.wait(10)
        return "done"

    first = threading.Thread(target=run, args=(dataset.plan(FakeServing(answer)),))
    first.start()
    started.wait(10)
    with pytest.raises(OutputError, match=f"process {os.getpid()}"):
        run(dataset.plan(FakeServing(width_of)))
    go_on.set()
    first.join()


def test_a_picture_changed_during_the_run_is_failed_not_mislabelled(dataset, width_of):
    dataset.add(2)

    def answer(request, pictures):
        other = (dataset.folder / "0001.jpg").read_bytes()
        (dataset.folder / "0000.jpg").write_bytes(other)
        return "the old picture"

    summary = run(dataset.plan(FakeServing(answer, max_workers=1)))
    assert summary.failed == {"changed": 1}
    assert dataset.captions()[0] is None


def test_a_full_disk_at_the_output_keeps_what_was_there_and_every_answer(dataset, width_of):
    run(dataset.add(2).plan(FakeServing(width_of)))
    before = dataset.output.read_bytes()
    dataset.add(1)
    plan = dataset.plan(FakeServing(width_of))

    opened = itertools.count()
    usual = plan.output.open_writer

    def full_in_the_end(path):
        if next(opened):
            raise OSError(28, "No space left on device")
        return usual(path)

    object.__setattr__(plan, "output", Output(dataset.output, [Column("caption")], full_in_the_end))
    with pytest.raises(OutputError, match="No space left"):
        run(plan)
    assert dataset.output.read_bytes() == before
    again = FakeServing([])
    run(dataset.plan(again))
    assert again.asked == 0


def test_an_errors_file_that_cannot_be_is_told_before_anything_is_paid(dataset, width_of):
    (dataset.folder / "out.jsonl.errors.jsonl").mkdir()
    serving = FakeServing(width_of)
    with pytest.raises(OutputError, match=r"errors\.jsonl is a folder"):
        run(dataset.add(1).plan(serving))
    assert serving.asked == 0


def test_a_long_wait_that_the_server_asks_for_is_told(dataset, width_of, caplog, monkeypatch):
    monkeypatch.setattr(health, "LONG_WAIT", 0.05)
    plan = dataset.add(1).plan(FakeServing([RateLimitedError("no", retry_after=0.1), "a"]))
    run(plan)
    assert "as the server asks: no" in caplog.text
    assert plan.progress.waits_until > 0


def test_it_works_inside_a_running_event_loop(dataset, width_of):
    async def notebook_cell():
        return run(dataset.add(3).plan(FakeServing(width_of)))

    assert asyncio.run(notebook_cell()).captioned == 3


def test_the_journal_holds_tokens_and_attempts(dataset, width_of):
    run(dataset.add(1).plan(FakeServing(width_of)))
    journal = Journal(dataset.folder / "out.jsonl.dataflow/journal.sqlite")
    try:
        known = journal._db.execute("SELECT attempts, model, finish_reason FROM results").fetchall()
    finally:
        journal.close()
    assert known == [(1, "fake", "stop")]


def test_each_kind_of_passing_fault_counts_by_itself(dataset):
    """A row that meets several kinds on a bad day is not given up before any of them says so."""
    faults = [GarbledReplyError("html"), ConnectionLostError("reset"), AskTimeoutError("slow")] * 3
    plan = dataset.add(1).plan(FakeServing([*faults, "at last"], max_workers=1))
    assert run(plan).requests == 10
    assert dataset.captions() == ["at last"]


def test_a_row_that_waits_for_its_next_attempt_when_the_run_stops_is_asked_by_the_next(dataset):
    def answer(request, pictures):
        return {32: OverloadedError("busy", retry_after=300), 33: WrongKeyError("no")}[
            pictures[0].width
        ]

    with pytest.raises(WrongKeyError):
        run(dataset.add(2).plan(FakeServing(answer, max_workers=1)))
    again = FakeServing("fine")
    run(dataset.plan(again))
    assert again.asked == 2
    assert dataset.captions() == ["fine", "fine"]


def test_an_answer_about_a_picture_that_took_anothers_place_is_never_kept(dataset, width_of):
    """Changed after its row was planned and put back later: the old picture's key has no answer."""
    dataset.add(120)
    paths = [dataset.folder / name for name in dataset.names]
    before = [(path.read_bytes(), path.stat().st_mtime_ns) for path in paths]
    changed = []

    def answer(request, pictures):
        if not changed:
            changed.append(True)
            for path, (data, _) in zip(paths[::-1], before, strict=True):
                path.write_bytes(data)
        return f"width {pictures[0].width}"

    run(dataset.plan(FakeServing(answer, max_workers=1)))
    for path, (data, mtime) in zip(paths, before, strict=True):
        path.write_bytes(data)
        os.utime(path, ns=(mtime, mtime))
    run(dataset.plan(FakeServing(width_of)))
    assert dataset.captions() == widths(120)
