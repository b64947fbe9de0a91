"""Captions by the Batch API: every state a batch can end in, and every limit of the server."""

from __future__ import annotations

import dataclasses
import signal
import sqlite3
import subprocess
from collections import Counter
from decimal import Decimal

import pytest

from dataflow.billing.price import FREE, Price, Rates
from dataflow.core.errors import StopRunError, UnderWayError, UnreachableError, UsageError
from dataflow.core.protocols.check import Verdict
from dataflow.engine.plan import SpendLimit
from dataflow.engine.quality.reject_policy import Fallback, rejects_named
from dataflow.engine.reporting.status import status_of
from dataflow.engine.runner import run
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.serving.fake import FakeServing
from tests.faults.scene import COMMAND, leaks
from tests.servers.batch_server import CALL_FAULTS, BatchServer
from tests.servers.hostile_server import MODEL
from tests.serving.scenes import wait_until


def answered_once(server, rows=60):
    return server.worked.total() == rows == len(server.worked)


def test_every_row_gets_its_own_caption_and_is_paid_once(scene, serving_for):
    with BatchServer() as server:
        summary = run(scene.plan(serving_for(server)))
        assert (summary.captioned, summary.requests, summary.reused) == (60, 60, 0)
        assert answered_once(server)
    assert scene.judge() == scene.all_right()


def test_the_same_command_again_asks_nothing(scene, serving_for):
    with BatchServer() as server:
        run(scene.plan(serving_for(server)))
        calls = Counter(server.calls)
        assert run(scene.plan(serving_for(server))).reused == 60
        assert server.calls == calls


def test_the_line_of_a_request_is_what_the_live_road_would_send(scene, serving_for):
    with BatchServer() as server:
        run(scene.plan(serving_for(server)))
        line = server.lines[0]
        assert (line["method"], line["url"]) == ("POST", "/v1/chat/completions")
        assert line["body"]["model"] == MODEL
        assert "stream" not in line["body"]
        assert len(bytes.fromhex(line["custom_id"])) == 16


def test_a_live_run_answers_from_the_journal_of_a_batch_run(scene, serving_for):
    with BatchServer() as server:
        run(scene.plan(serving_for(server)))
        live = APIVLMServing_openai(server.url, model_name=MODEL, temperature=0.0)
        assert run(scene.plan(live)).reused == 60
        assert server.calls["live"] == 0


@pytest.mark.parametrize("requests", [1, 7, 60, 1000])
def test_a_batch_holds_so_many_requests_and_no_more(scene, serving_for, requests):
    with BatchServer() as server:
        run(scene.plan(serving_for(server, requests=requests)))
        sizes = [made.requests for made in server.batches.values()]
        assert max(sizes) <= requests
        assert len(sizes) == -(-60 // requests)
    assert scene.judge() == scene.all_right()


def test_a_batch_holds_so_many_bytes_and_no_more(scene, serving_for):
    with BatchServer() as server:
        run(scene.plan(serving_for(server, requests=1000, size=20_000)))
        assert server.calls["upload"] > 3
        assert server.largest_file <= 20_000
    assert scene.judge() == scene.all_right()


def test_a_request_that_no_batch_can_hold_fails_alone(scene, serving_for):
    with BatchServer() as server:
        summary = run(scene.plan(serving_for(server, size=100)))
        assert summary.failed == {"picture_too_large": 60}
        assert server.calls.total() == 0


@pytest.mark.parametrize(
    "fate", ["expired", "cancelled", "all_failed", "late_files", "strange_lines", "failing"]
)
def test_whatever_came_of_a_batch_is_kept_and_the_rest_asked_again(scene, serving_for, fate):
    with BatchServer([fate, "completed"]) as server:
        summary = run(scene.plan(serving_for(server, requests=60)))
        assert summary.captioned == 60
        assert answered_once(server)
        assert server.met[fate] == 1
    assert scene.judge() == scene.all_right()


def test_a_refused_row_fails_for_good_and_costs_the_others_nothing(scene, serving_for):
    with BatchServer(refuses=lambda question: "17" in question) as server:
        summary = run(scene.plan(serving_for(server)))
        assert summary.failed == {"refused": 1}
        assert run(scene.plan(serving_for(server))).reused == 60
        assert server.asked.total() == 60
    assert scene.judge() == Counter(right=59, none=1)


def test_a_row_that_never_succeeds_is_asked_only_so_often(scene, serving_for):
    with BatchServer(["all_failed"]) as server:
        summary = run(scene.plan(serving_for(server, requests=60)))
        assert summary.captioned == 0
        assert max(server.asked.values()) <= 30  # the policy's attempts for a rate limit


def test_what_a_batch_left_is_asked_over_the_live_road(scene, serving_for):
    with BatchServer(["expired"]) as server:
        summary = run(scene.plan(serving_for(server, requests=60, then_live=True)))
        assert (summary.captioned, summary.reused) == (60, 0)
        assert server.calls["create"] == 1
        assert server.calls["live"] + server.worked.total() == 60
    assert scene.judge() == scene.all_right()


@pytest.mark.parametrize("fault", CALL_FAULTS)
def test_a_call_that_fails_half_the_time_costs_nothing_twice(scene, serving_for, fault):
    with BatchServer(rates={fault: 0.5, "list_500": 0.3}, seed=3) as server:
        assert run(scene.plan(serving_for(server, requests=6))).captioned == 60
        assert server.met[fault] > 0 or fault == "list_500"
        assert answered_once(server)
        uploads = [f for f in server.files.values() if f["purpose"] == "batch"]
        assert uploads == []  # removed when they were done
    assert scene.judge() == scene.all_right()
    assert leaks(scene.folder) == []


def test_no_more_is_enqueued_than_the_server_takes(scene, serving_for):
    with BatchServer(most=25, seconds=0.4) as server:
        assert run(scene.plan(serving_for(server, requests=10))).captioned == 60
        assert server.most_enqueued <= 25
        assert server.met["token_limit_exceeded"] > 0
        assert answered_once(server)
    assert scene.judge() == scene.all_right()


def test_batches_become_smaller_where_even_one_alone_is_too_large(scene, serving_for):
    with BatchServer(most=9) as server:
        assert run(scene.plan(serving_for(server, requests=60))).captioned == 60
        assert server.most_enqueued <= 9
        assert answered_once(server)
    assert scene.judge() == scene.all_right()


def test_a_server_that_takes_nothing_at_all_is_given_up_with_its_reason(scene, serving_for):
    with BatchServer(most=0) as server, pytest.raises(StopRunError, match="Enqueued token limit"):
        run(scene.plan(serving_for(server, requests=2)))


def test_detached_batches_are_taken_in_by_the_same_command_later(scene, serving_for):
    with BatchServer(seconds=3) as server:
        with pytest.raises(UnderWayError, match="60 requests are in 3 batches"):
            run(scene.plan(serving_for(server), detach=True))
        assert not scene.output.exists()
        assert run(scene.plan(serving_for(server))).captioned == 60
        assert answered_once(server)
        assert server.calls["create"] == 3
    assert scene.judge() == scene.all_right()


def test_detached_runs_alone_come_to_the_end_too(scene, serving_for):
    with BatchServer(["failing", "completed"], seconds=0.05, most=40) as server:
        for _ in range(100):
            try:
                summary = run(scene.plan(serving_for(server), detach=True))
                break
            except UnderWayError:
                continue
        assert summary.rows == 60
        assert answered_once(server)
    assert scene.judge() == scene.all_right()


def test_rows_in_batches_are_not_asked_live(scene, serving_for):
    with BatchServer(seconds=5) as server:
        with pytest.raises(UnderWayError):
            run(scene.plan(serving_for(server), detach=True))
        with pytest.raises(UsageError, match="60 requests are in batches"):
            run(scene.plan(APIVLMServing_openai(server.url, model_name=MODEL, temperature=0.0)))
        with pytest.raises(UsageError, match="60 requests are in batches"):
            run(scene.plan(serving_for(server), restart=True))
        assert server.calls["live"] == 0


def test_batches_at_another_server_are_not_forgotten(scene, serving_for):
    with BatchServer(seconds=5) as server, BatchServer() as other:
        with pytest.raises(UnderWayError):
            run(scene.plan(serving_for(server), detach=True))
        with pytest.raises(StopRunError, match="give that address"):
            run(scene.plan(serving_for(other)))
        assert other.calls.total() == 0


def test_cancelled_batches_leave_what_they_answered(scene, serving_for):
    with BatchServer(seconds=3) as server:
        with pytest.raises(UnderWayError):
            run(scene.plan(serving_for(server), detach=True))
        with pytest.raises(UnderWayError, match="still to be asked"):
            run(scene.plan(serving_for(server), cancel_batches=True))
        assert server.calls["cancel"] == 3
        paid = server.worked.total()
        live = APIVLMServing_openai(server.url, model_name=MODEL, temperature=0.0)
        assert run(scene.plan(live)).requests == 60 - paid
    assert scene.judge() == scene.all_right()


def test_a_batch_that_is_gone_stops_the_run_and_can_be_given_back(scene, serving_for):
    with BatchServer(seconds=5) as server:
        with pytest.raises(UnderWayError):
            run(scene.plan(serving_for(server), detach=True))
        server.batches.clear()
        with pytest.raises(StopRunError, match="--batch-cancel"):
            run(scene.plan(serving_for(server)))
        with pytest.raises(UnderWayError, match="60 requests are still to be asked"):
            run(scene.plan(serving_for(server), cancel_batches=True))
        server.seconds = 0.05
        assert run(scene.plan(serving_for(server))).captioned == 60


def test_a_wrong_key_stops_the_run_before_anything_is_made(scene, serving_for, monkeypatch):
    with BatchServer() as server:
        serving = serving_for(server)
        monkeypatch.setenv("DF_API_KEY", "sk-wrong")
        with pytest.raises(StopRunError, match="401"):
            run(scene.plan(serving_for(server)))
        assert run(scene.plan(serving)).captioned == 60
        assert answered_once(server)


def test_a_server_that_is_away_is_waited_for_and_then_given_up(scene, serving_for):
    with BatchServer(seconds=5) as server:
        serving = serving_for(server)
        with pytest.raises(UnderWayError):
            run(scene.plan(serving, detach=True))
    with pytest.raises(UnreachableError, match="batches go on"):
        run(scene.plan(serving, give_up_after=0.5))


def test_a_server_without_batches_is_told_of_and_asked_live_instead(scene, serving_for):
    with BatchServer(has_batches=False) as server:
        with pytest.raises(StopRunError, match="does this server take batches"):
            run(scene.plan(serving_for(server)))
        live = APIVLMServing_openai(server.url, model_name=MODEL, temperature=0.0)
        assert run(scene.plan(live)).captioned == 60


def test_lists_are_answered_in_batches_too(serving_for, tmp_path, monkeypatch, scene):
    with BatchServer() as server:
        serving = serving_for(server)
        pictures = [str(scene.folder / f"{n}.jpg") for n in range(5)]
        said = serving.generate_from_input([f"Q{n}" for n in range(5)], "", image_inputs=pictures)
        assert len(set(said)) == 5
        assert all(said)
        assert answered_once(server, 5)


def test_no_key_and_no_picture_is_written_down(scene, serving_for):
    with BatchServer(seconds=0.5) as server:
        with pytest.raises(UnderWayError):
            run(scene.plan(serving_for(server), detach=True))
        assert leaks(scene.folder) == []  # also of the batches' files, which were removed
        assert not scene.beside(".dataflow/batches").exists() or not [
            *scene.beside(".dataflow/batches").iterdir()
        ]


def test_the_status_tells_where_the_batches_stand(scene, serving_for):
    with BatchServer(seconds=0.3) as server:
        with pytest.raises(UnderWayError):
            run(scene.plan(serving_for(server), detach=True))
        found = status_of(scene.output)
        assert (found.state, found.captioned, found.to_ask) == ("under_way", 0, 0)
        assert found.in_batches == sum(line.requests for line in found.batches) == 60
        assert {line.id for line in found.batches} == set(server.batches)
        assert {line.status for line in found.batches} == {"validating"}
        run(scene.plan(serving_for(server)))
    found = status_of(scene.output)
    assert (found.state, found.captioned, found.in_batches, found.batches) == ("done", 60, 0, ())


def test_the_command_tells_of_its_batches_and_ends_with_5(scene):
    with BatchServer(seconds=0.3) as server:
        assert scene.run(server, "--detach") == 5
        assert "60 requests are in 1 batch at" in scene.log
        shown = subprocess.run([COMMAND, "status", scene.output], capture_output=True, text=True)
        assert "0 of 60 requests done" in shown.stderr
        assert scene.run(server, "--batch", "--batch-poll", "0.1") == 0
    assert scene.judge() == scene.all_right()


def test_every_attempt_is_on_the_bill_and_the_live_rest_at_its_own_price(scene, serving_for):
    batch, live = (Price(Rates(*[Decimal(usd)] * 3), "test") for usd in (1, 2))
    with BatchServer(["expired"]) as server:
        plan = scene.plan(serving_for(server, requests=60, then_live=True))
        summary = run(dataclasses.replace(plan, price=batch, live_price=live))
        tokens = 109 * (server.worked.total() + 2 * server.calls["live"])
    assert summary.usage.completion_tokens == 60 * 9
    assert summary.cost * 1_000_000 == tokens
    assert status_of(scene.output).cost == pytest.approx(float(summary.cost))


def test_a_limit_on_money_is_refused_since_batches_do_not_keep_it(scene, serving_for):
    with BatchServer() as server:
        plan = scene.plan(serving_for(server), spend_limit=SpendLimit(tokens=1000))
        with pytest.raises(UsageError, match="not kept in batches"):
            run(plan)


def test_ctrl_c_leaves_the_batches_at_work_and_says_so(scene):
    with BatchServer(seconds=0.5) as server:
        process = scene.start(server, "--batch", "--batch-poll", "0.1")
        assert wait_until(lambda: server.batches, 60)
        process.send_signal(signal.SIGINT)
        assert scene.end(process) == 130
        assert "batches that are under way continue at the server" in scene.log
        assert scene.run(server, "--batch", "--batch-poll", "0.1") == 0
        assert answered_once(server)
    assert scene.judge() == scene.all_right()


def test_a_batch_that_only_came_too_early_stays_as_large_as_it_is(scene, serving_for):
    with BatchServer(most=20, seconds=0.4) as server:
        assert run(scene.plan(serving_for(server, requests=20))).captioned == 60
        assert server.met["token_limit_exceeded"] > 0
        assert {made.requests for made in server.batches.values()} == {20}


def says_more(text, context):
    """Turns down what was asked for without these words."""
    if any("Say more." in prompt for prompt in context.prompts):
        return None
    return Verdict("brief", "it says too little", "Say more.")


@pytest.mark.parametrize("then_live", [False, True])
def test_what_a_check_turns_down_goes_into_the_next_batch_or_is_asked_live(
    scene, serving_for, then_live
):
    with BatchServer() as server:
        plan = scene.plan(
            serving_for(server, then_live=then_live), reject_policy=rejects_named("reask", mark=1)
        )
        summary = run(dataclasses.replace(plan, checks=[says_more]))
        assert (summary.captioned, summary.asked_again) == (60, 60)
        assert server.worked.total() == (60 if then_live else 120)
        assert server.calls["live"] == (60 if then_live else 0)
        again = run(dataclasses.replace(plan, checks=[says_more]))
        assert again.requests - summary.requests == 0
    with sqlite3.connect(scene.beside(".dataflow/journal.sqlite")) as db:
        counts = db.execute("SELECT ask, count(*) FROM attempts GROUP BY ask").fetchall()
        assert counts == [(0, 60), (1, 60)]
        assert db.execute("SELECT sum(attempts), max(asks) FROM results").fetchone() == (120, 2)
        assert db.execute("SELECT count(*) FROM batch_requests").fetchone() == (0,)


def test_what_a_former_run_left_to_the_fallback_model_is_asked_of_it_and_of_no_batch(
    scene, serving_for
):
    other = FakeServing("A fox.", model="large")
    with BatchServer() as server:
        serving = serving_for(server, then_live=True)
        flagged = scene.plan(serving, reject_policy=rejects_named("flag", mark=1))
        run(dataclasses.replace(flagged, checks=[says_more]))
        rejects = rejects_named("reask", max_asks=2, mark=2)
        rejects = dataclasses.replace(rejects, fallback=Fallback(other, FREE))
        plan = dataclasses.replace(scene.plan(serving, reject_policy=rejects), checks=[says_more])
        assert run(plan).captioned == 60
        assert (server.worked.total(), server.calls["live"], other.asked) == (60, 0, 60)
