"""A good guest at picture hosts: no more than they allow, again when they are back, by name."""

from __future__ import annotations

import asyncio
import datetime
import gzip
import time
import zlib

import pytest
from aiohttp import web

from dataflow.core.errors import (
    PictureError,
    PictureForbiddenError,
    PictureTooLargeError,
    PictureTooSlowError,
    UsageError,
)
from dataflow.images.base.limits import Limits
from dataflow.images.fetch.host import Failure
from dataflow.images.fetch.public_addresses import AddressPolicy
from tests.servers.certificate import self_signed


class Allows:
    """A host that answers 429 with `headers` beyond `most` requests at once."""

    def __init__(self, most, jpeg, headers):
        self.most, self.jpeg, self.headers = most, jpeg, headers
        self.now = self.peak = self.refused = 0

    async def answer(self, request):
        self.now += 1
        self.peak = max(self.peak, self.now)
        try:
            if self.now > self.most:
                self.refused += 1
                return web.Response(status=429, headers=self.headers)
            await asyncio.sleep(0.01)
            return web.Response(body=self.jpeg)
        finally:
            self.now -= 1


@pytest.mark.parametrize("most", [1, 2, 4])
def test_no_picture_is_lost_to_a_host_that_allows_few_at_once(get, jpeg, most):
    host = Allows(most, jpeg, {"Retry-After": "0.05"})
    pictures = get(host.answer, *(f"{n}.jpg" for n in range(60)))
    assert [picture.data for picture in pictures] == [jpeg] * 60
    assert host.peak <= 4
    assert host.refused < 20


def test_as_many_connections_to_a_host_as_the_user_says(get, jpeg):
    host = Allows(99, jpeg, {})
    get(host.answer, *(f"{n}.jpg" for n in range(40)), picture_connections=2)
    assert host.peak == 2


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_host_that_asks_to_wait_is_left_alone_as_long(get, jpeg, status, form):
    asked = []

    async def handler(request):
        asked.append(time.monotonic())
        if len(asked) > 1:
            return web.Response(body=jpeg)
        now = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
        until = now + datetime.timedelta(seconds=1)
        stamp = "%a, %d %b %Y %H:%M:%S GMT"
        wait = "1" if form == "seconds" else until.strftime(stamp)
        headers = {"Retry-After": wait, "Date": now.strftime(stamp)}
        return web.Response(status=status, headers=headers)

    assert get(handler, "a.jpg")[0].data == jpeg
    assert asked[1] - asked[0] >= 0.95


@pytest.mark.parametrize("status", [500, 502, 503, 504, 520, 408])
def test_a_host_that_is_away_for_a_while_loses_no_row(get, impatient, jpeg, status):
    impatient(patience=30.0, patience_by_failure=tuple((how, 30.0) for how in Failure))
    began = time.monotonic()

    async def handler(request):
        if time.monotonic() - began < 0.6:
            return web.Response(status=status)
        return web.Response(body=jpeg)

    pictures = get(handler, *(f"{n}.jpg" for n in range(50)))
    assert [getattr(picture, "data", picture) for picture in pictures] == [jpeg] * 50


def test_a_picture_that_is_denied_for_ever_does_not_hold_the_run_up(get, impatient, jpeg):
    async def handler(request):
        return web.Response(status=429) if request.path == "/7.jpg" else web.Response(body=jpeg)

    impatient(patience=600.0, longest_pause=0.02, pause=0.01)
    results = get(handler, *(f"{n}.jpg" for n in range(20)), picture_connections=4)
    assert isinstance(results[7], PictureError)
    assert "answers 429" in results[7].message
    assert all(picture.data == jpeg for n, picture in enumerate(results) if n != 7)


def test_one_broken_picture_costs_its_host_few_requests_and_the_others_nothing(get, jpeg):
    asked = []

    async def handler(request):
        if request.path == "/broken.jpg":
            asked.append(1)
            return web.Response(status=500)
        return web.Response(body=jpeg)

    paths = ["broken.jpg", *(f"{n}.jpg" for n in range(100))]
    broken, *others = get(handler, *paths)
    assert isinstance(broken, PictureError)
    assert "answers 500" in broken.message
    assert all(picture.data == jpeg for picture in others)
    assert len(asked) <= 8


def test_a_host_that_hangs_is_too_slow_and_holds_no_other_back(get, jpeg):
    hanging = []

    async def hangs(request):
        hanging.append(request)
        if request.query.get("hang"):
            await asyncio.sleep(60)
        return web.Response(body=jpeg)

    # two names of one server are two hosts
    slow = [f"http://127.0.0.2:{{port}}/{n}.jpg?hang=1" for n in range(100)]
    good = [f"http://127.0.0.1:{{port}}/{n}.jpg" for n in range(100)]
    mixed = [url for pair in zip(slow, good, strict=True) for url in pair]
    began = time.monotonic()
    results = get(hangs, *mixed, fetch_seconds=1.0, bind="0.0.0.0")
    assert time.monotonic() - began < 6
    assert all(type(result) is PictureTooSlowError for result in results[::2])
    assert all(result.data == jpeg for result in results[1::2])
    assert sum(1 for request in hanging if request.query.get("hang")) <= 8


@pytest.mark.parametrize(
    ("given", "sent"), [(None, "dataflow-caption/"), ("me (me@example.org)", "me (me@example.org)")]
)
def test_hosts_are_told_who_asks(get, serve, given, sent):
    get(serve, "a.jpg", user_agent=given)
    (request,) = serve.seen
    assert request.headers["User-Agent"].startswith(sent)
    assert given is not None or "+https://" in request.headers["User-Agent"]


@pytest.mark.parametrize("text", ["", " ", "a\r\nCookie: x", "ü"])
def test_a_name_that_no_header_can_hold_is_refused(text):
    with pytest.raises(UsageError, match="user_agent"):
        Limits(user_agent=text)


# --- what is packed -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("coding", "pack"),
    [("gzip", gzip.compress), ("x-gzip", gzip.compress), ("deflate", zlib.compress)],
)
def test_a_picture_that_is_sent_packed_is_unpacked(get, jpeg, coding, pack):
    async def handler(request):
        return web.Response(body=pack(jpeg), headers={"Content-Encoding": coding})

    assert get(handler, "a.jpg")[0].data == jpeg


def test_a_body_that_unpacks_to_more_than_the_limit(get):
    packed = gzip.compress(bytes(300_000_000), 1)

    async def handler(request):
        return web.Response(body=packed, headers={"Content-Encoding": "gzip"})

    (error,) = get(handler, "a.jpg", max_picture_bytes=10_000_000)
    assert type(error) is PictureTooLargeError


def test_unpacking_much_does_not_hold_the_event_loop(get):
    """64 KiB of gzip hold 64 MiB."""
    packed = gzip.compress(bytes(60_000_000), 9)
    longest = [0.0]

    async def handler(request):
        async def watch():
            while True:
                began = time.thread_time()
                await asyncio.sleep(0)
                longest[0] = max(longest[0], time.thread_time() - began)

        task = asyncio.ensure_future(watch())
        asyncio.get_running_loop().call_later(2, task.cancel)
        return web.Response(body=packed, headers={"Content-Encoding": "gzip"})

    (error,) = get(handler, "a.jpg")
    assert isinstance(error, PictureError)
    assert longest[0] < 0.05


@pytest.mark.parametrize(("coding", "words"), [("br", "not read (br)"), ("gzip", "is broken")])
def test_a_body_that_cannot_be_unpacked(get, jpeg, coding, words):
    async def handler(request):
        return web.Response(body=jpeg, headers={"Content-Encoding": coding})

    (error,) = get(handler, "a.jpg")
    assert words in error.message


# --- who may be asked ---------------------------------------------------------------------------

METADATA = [
    "169.254.169.254",
    "169.254.1.1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fe80::1",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
]


@pytest.mark.parametrize("address", METADATA)
@pytest.mark.parametrize("allowed", [True, "0.0.0.0/0, ::/0", "169.254.0.0/16"])
def test_metadata_services_stay_shut_whatever_is_allowed(address, allowed):
    policy = AddressPolicy(Limits(allow_private_urls=allowed, trusted_server=(address, 80)))
    assert "never fetched" in policy.refusal(address, address, 80)


@pytest.mark.parametrize(
    ("address", "is_open"),
    [
        ("10.1.2.3", True),
        ("10.255.0.1", True),
        ("::ffff:10.1.2.3", True),
        ("fd12::1", True),
        ("192.168.0.1", False),
        ("127.0.0.1", False),
        ("fd13::1", False),
        ("8.8.8.8", True),
    ],
)
def test_private_networks_may_be_opened_one_by_one(address, is_open):
    policy = AddressPolicy(Limits(allow_private_urls="10.0.0.0/8, fd12::/16"))
    assert (policy.refusal(address, address, 80) is None) is is_open


def test_a_redirect_may_not_leave_the_networks_that_are_open(get):
    async def handler(request):
        raise web.HTTPFound(request.query["to"])

    inner, metadata = get(
        handler,
        "a?to=http://192.168.7.7/x.jpg",
        "a?to=http://169.254.169.254/latest/meta-data",
        allow_private_urls="127.0.0.0/8",
    )
    assert type(inner) is type(metadata) is PictureForbiddenError
    assert "private address" in inner.message
    assert "never fetched" in metadata.message


@pytest.mark.parametrize("text", ["", "10.0.0.0/33", "intranet", "10.0.0.1/8"])
def test_what_is_no_network_is_refused(text):
    with pytest.raises(UsageError, match=r"networks|not empty"):
        Limits(allow_private_urls=text)


# --- certificates -------------------------------------------------------------------------------


@pytest.fixture
def own_certificate(tmp_path):
    """The context of a server whose certificate nobody has signed."""
    return self_signed(tmp_path)


def test_a_certificate_of_ones_own_is_named_with_its_cure(get, serve, own_certificate):
    (error,) = get(serve, "a.jpg", tls=own_certificate)
    assert "certificate is not trusted" in error.message
    assert "SSL_CERT_FILE" in error.message
    assert "Error" not in error.message
    assert serve.seen == []


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1:{port}/a.jpg", "http://no-such-host.invalid/a.jpg"]
)
def test_no_message_holds_a_librarys_class_name(get, serve, url):
    (error,) = get(serve, url)
    assert "Error" not in error.message
    assert "aiohttp" not in error.message
    assert "Client" not in error.message
