"""What the command says about tokens and money, and where it stops."""

from __future__ import annotations

import json
import re

import pyarrow.parquet
import pytest
from rich.console import Console

from dataflow.app.reporter import RunReport
from dataflow.billing.price import FREE, dollars
from dataflow.core.request import Usage
from dataflow.display.summary import show_summary
from dataflow.engine.reporting.progress import Summary
from tests.servers.hostile_server import MODEL, HostileServer
from tests.tariff import Tariff

PRICE = ("--price-in", 2.5, "--price-out", 10)


@pytest.fixture
def server():
    with HostileServer(tariff=Tariff()) as running:
        yield running


def api(server) -> tuple[str, ...]:
    return ("--api-url", server.url, "--model", MODEL, "--max-tokens", "50")


def test_the_summary_says_what_the_server_charged(dataflow, pictures, server):
    pictures(8)
    done = dataflow("caption", "photos", *api(server), *PRICE)
    assert done.returncode == 0, done.stderr
    assert re.search(rf"cost +{re.escape(dollars(server.tariff.cost))} \(as given\)", done.stderr)
    assert "2,200 read (2,040 of pictures)" in done.stderr


def test_an_unknown_price_is_said(dataflow, pictures, server):
    pictures(1)
    done = dataflow("caption", "photos", *api(server))
    assert "not known: no price of hostile-vlm at 127.0.0.1 is listed" in done.stderr
    assert "--price-in" in done.stderr


def test_a_limit_on_money_ends_with_4_and_says_what_it_takes_to_finish(dataflow, pictures, server):
    folder = pictures(60)
    done = dataflow("caption", "photos", *api(server), *PRICE, "--max-cost", 0.04)
    assert done.returncode == 4, done.stderr
    assert 0 < server.tariff.cost <= 0.04
    asked = server.asked
    assert f"the other {60 - asked} captions take about $" in done.stderr
    assert "What is done is kept" in done.stderr
    again = dataflow("caption", "photos", *api(server), *PRICE, "--max-cost", 5)
    assert again.returncode == 0, again.stderr
    assert server.asked == 60
    assert len(folder.with_name("photos.captions.jsonl").read_text().splitlines()) == 60


def test_a_limit_on_tokens_ends_with_4_even_where_not_one_request_fits(dataflow, pictures, server):
    pictures(3)
    done = dataflow("caption", "photos", *api(server), "--max-tokens-total", 100)
    assert done.returncode == 4, done.stderr
    assert server.asked == 0


@pytest.mark.parametrize(
    ("more", "cure"),
    [
        (("--max-cost", 1), "--price-in"),
        (("--price-in", 1), "belong together"),
    ],
)
def test_what_cannot_be_kept_is_refused_before_anything_is_spent(
    dataflow, pictures, server, more, cure
):
    pictures(2)
    done = dataflow("caption", "photos", *api(server), *more)
    assert done.returncode == 2, done.stderr
    assert cure in done.stderr
    assert server.asked == 0


def test_a_limit_needs_a_longest_answer(dataflow, pictures, server):
    pictures(2)
    address = ("--api-url", server.url, "--model", MODEL)
    done = dataflow("caption", "photos", *address, *PRICE, "--max-cost", 1)
    assert done.returncode == 2, done.stderr
    assert "--max-tokens" in done.stderr
    assert server.asked == 0


@pytest.mark.parametrize("ending", ["json", "jsonl", "csv", "parquet"])
def test_meta_stands_in_every_format(dataflow, pictures, server, ending):
    folder = pictures(3)
    output = folder.with_name(f"out.{ending}")
    done = dataflow("caption", "photos", "-o", output, *api(server), *PRICE, "--meta")
    assert done.returncode == 0, done.stderr
    if ending == "parquet":
        metas = [row["caption_meta"] for row in pyarrow.parquet.read_table(output).to_pylist()]
        assert sum(meta["cost"] for meta in metas) == pytest.approx(float(server.tariff.cost))
        assert {meta["tokens"]["picture"] for meta in metas} == {255}
    else:
        assert output.read_text().count("caption_meta") == (1 if ending == "csv" else 3)


def test_without_meta_one_column_is_added(dataflow, pictures, server):
    folder = pictures(1)
    dataflow("caption", "photos", *api(server))
    (line,) = folder.with_name("photos.captions.jsonl").read_text().splitlines()
    assert list(json.loads(line)) == ["image", "caption"]


def test_a_local_engine_shows_its_speed_and_no_money():
    console = Console(record=True, width=200)
    report = RunReport(
        Summary(rows=9, captioned=9, requests=9, seconds=2.0, usage=Usage(900, 90)),
        FREE,
        "out.jsonl",
    )
    show_summary(report, console)
    text = console.export_text()
    assert "45 tokens/s" in text
    assert "$" not in text
