"""URLs in data, over real sockets."""

import asyncio
import gzip
import socket
import time

import pytest
from aiohttp import web

from dataflow.core.errors import (
    PictureError,
    PictureForbiddenError,
    PictureMissingError,
    PictureTooLargeError,
    PictureTooSlowError,
)
from dataflow.images.base.limits import Limits
from dataflow.images.fetch import http as fetch_module
from dataflow.images.fetch import public_addresses
from dataflow.images.fetch.public_addresses import AddressPolicy
from dataflow.images.loader import Loader
from dataflow.images.reference import parse_reference


def test_a_picture_comes_over_http(get, serve, jpeg):
    pictures = get(serve, "a.jpg", "b%2Fc.jpg?sig=%2B1+1&x=a%20b", "ä ö.jpg")
    assert [picture.data for picture in pictures] == [jpeg] * 3
    assert {r.raw_path for r in serve.seen} >= {"/a.jpg", "/b%2Fc.jpg?sig=%2B1+1&x=a%20b"}


def test_nothing_of_ours_is_sent_along(get, serve, monkeypatch, tmp_path):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password pw")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    get(serve, "a.jpg", max_connections=1)
    get(serve, "a.jpg", "b.jpg", max_connections=1)
    for request in serve.seen:
        assert not {"Cookie", "Authorization", "Referer"} & set(request.headers)


INNER = [
    "http://127.0.0.1:{port}/a.jpg",
    "http://localhost:{port}/a.jpg",
    "http://2130706433:{port}/a.jpg",
    "http://0x7f.1:{port}/a.jpg",
    "http://0177.0.0.1:{port}/a.jpg",
    "http://127.1:{port}/a.jpg",
    "http://0:{port}/a.jpg",
    "http://0.0.0.0:{port}/a.jpg",
    "http://[::1]:{port}/a.jpg",
    "http://[::ffff:127.0.0.1]:{port}/a.jpg",
    "http://[::ffff:7f00:1]:{port}/a.jpg",
    "http://[64:ff9b::7f00:1]:{port}/a.jpg",
    "http://169.254.169.254/latest/meta-data",
    "http://[fd00:ec2::254]/latest/meta-data",
    "http://10.0.0.1/a.jpg",
    "http://localhost.:{port}/a.jpg",
    "http://①②⑦.⓪.⓪.①:{port}/a.jpg",
]


def test_inner_addresses_are_refused_in_every_spelling(get, serve):
    results = get(serve, *INNER, allow_private_urls=False)
    for url, error in zip(INNER, results, strict=True):
        assert isinstance(error, PictureError), url
        if "①" not in url and not url.startswith("http://localhost."):
            assert type(error) is PictureForbiddenError, (url, error)
    assert serve.seen == []
    assert "--allow-private-urls" in results[0].message


def test_other_spellings_are_fetched_where_allowed(get, serve, jpeg):
    pictures = get(serve, *INNER[:6])
    assert [picture.data for picture in pictures] == [jpeg] * 6


def test_a_name_that_resolves_to_an_inner_address_is_refused(get, serve, monkeypatch):
    answers = []

    def rebinding(host, port, *args, **kwargs):
        """Public at the first look, inner at the second, as DNS rebinding does."""
        answers.append("198.51.100.1" if not answers else "127.0.0.1")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answers[-1], port))]

    real = socket.getaddrinfo

    def fake(host, port, *args, **kwargs):
        if host == "rebind.example" and not kwargs.get("flags", 0) & socket.AI_NUMERICHOST:
            return rebinding(host, port)
        return real(host, port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", fake)
    url = "http://rebind.example:{port}/a.jpg"
    results = get(serve, url, url, url, allow_private_urls=False, fetch_seconds=2.0)
    assert all(isinstance(result, PictureError) for result in results)
    assert answers
    assert serve.seen == []


def test_of_several_addresses_only_the_public_are_tried():
    async def main():
        resolver = fetch_module._Resolver(AddressPolicy(Limits()))

        class System:
            async def resolve(self, *args):
                return [{"host": "127.0.0.1"}, {"host": "8.8.8.8"}, {"host": "::1"}]

            async def close(self):
                pass

        await resolver._system.close()
        resolver._system = System()
        return await resolver.resolve("x.example")

    assert asyncio.run(main()) == [{"host": "8.8.8.8"}]


def test_redirects_are_followed(get, jpeg):
    async def handler(request):
        if request.path == "/a":
            raise web.HTTPFound("/b?x=1")
        if request.path == "/b":
            raise web.HTTPPermanentRedirect("//" + request.host + "/c")
        return web.Response(body=jpeg)

    assert get(handler, "a")[0].data == jpeg


@pytest.mark.parametrize(
    ("target", "kind", "words"),
    [
        ("http://169.254.169.254/latest", PictureForbiddenError, "metadata address"),
        ("http://[::ffff:a9fe:a9fe]/x", PictureForbiddenError, "metadata address"),
        ("http://10.0.0.1/x", PictureForbiddenError, "private address"),
        ("file:///etc/passwd", PictureForbiddenError, "away from http"),
        ("ftp://host/x", PictureForbiddenError, "away from http"),
        ("data:image/png;base64,AA", PictureForbiddenError, "away from http"),
        ("http://me:pw@host.example/x", PictureForbiddenError, "with a password"),
        ("http://[broken/x", PictureError, "no valid URL"),
    ],
)
def test_redirects_are_checked_again(get, monkeypatch, target, kind, words):
    async def handler(request):
        raise web.HTTPFound("http://placeholder") if not target else _redirect(target)

    def only_the_server(text):
        return text == "127.0.0.1"  # as if the test's server were public

    monkeypatch.setattr(public_addresses, "is_public", only_the_server)
    (error,) = get(handler, "a?k=s3cret", allow_private_urls=False)
    assert type(error) is kind
    assert words in error.message
    assert "s3cret" not in error.message
    assert "pw" not in error.message


def _redirect(target):
    class Redirect(web.HTTPException):
        status_code = 302

    return Redirect(headers={"Location": target})


def test_redirects_have_an_end(get):
    count = []

    async def handler(request):
        count.append(1)
        raise web.HTTPFound(f"/{len(count)}")

    (error,) = get(handler, "a", max_redirects=3)
    assert "redirects over 3 times" in error.message
    assert len(count) == 4


@pytest.mark.parametrize(
    ("status", "kind", "asked"),
    [
        (404, PictureMissingError, 1),
        (410, PictureMissingError, 1),
        (400, PictureError, 1),
        (401, PictureError, 1),
        (403, PictureError, 1),
        (204, PictureError, 1),
        (304, PictureError, 1),
        (408, PictureError, None),
        (429, PictureError, None),
        (500, PictureError, None),
        (503, PictureError, None),
    ],
)
def test_statuses(get, status, kind, asked):
    count = []

    async def handler(request):
        count.append(1)
        return web.Response(status=status)

    (error,) = get(handler, "a.jpg?k=s3cret")
    assert type(error) is kind
    assert f"answers {status}" in error.message
    assert "s3cret" not in error.message
    assert len(count) == asked or (asked is None and len(count) > 1)


def test_a_second_attempt_may_succeed(get, jpeg):
    count = []

    async def handler(request):
        count.append(1)
        if len(count) == 1:
            request.transport.abort()
            raise web.HTTPServiceUnavailable
        if len(count) == 2:
            raise web.HTTPServiceUnavailable
        return web.Response(body=jpeg)

    results = [get(handler, "a.jpg")[0], get(handler, "a.jpg")[0]]
    assert results[-1].data == jpeg


def test_nobody_there(impatient):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    impatient()

    async def main():
        async with Loader(Limits(allow_private_urls=True)) as loader:
            (ref,) = parse_reference(f"http://127.0.0.1:{port}/a?k=s3cret", [])
            await loader.load(ref)

    with pytest.raises(PictureError, match="the host cannot be reached") as caught:
        asyncio.run(main())
    assert "s3cret" not in caught.value.message


def test_a_body_that_is_cut_short(get, jpeg):
    async def handler(request):
        response = web.StreamResponse(headers={"Content-Length": str(len(jpeg))})
        await response.prepare(request)
        await response.write(jpeg[:1000])
        request.transport.abort()
        return response

    (error,) = get(handler, "a.jpg")
    assert type(error) is PictureError


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_that_is_too_large(get, declared):
    async def handler(request):
        response = web.StreamResponse()
        if declared:
            response.content_length = 10**12
        await response.prepare(request)
        try:
            while True:
                await response.write(bytes(65536))
        except ConnectionError:
            return response

    (error,) = get(handler, "a.jpg", max_picture_bytes=1_000_000)
    assert type(error) is PictureTooLargeError
    assert "MiB, the limit" in error.message


@pytest.mark.parametrize("headers_too", [True, False])
def test_a_body_that_drips(get, headers_too, jpeg):
    async def handler(request):
        if headers_too:
            await asyncio.sleep(30)
        response = web.StreamResponse()
        await response.prepare(request)
        for byte in jpeg:
            await response.write(bytes([byte]))
            await asyncio.sleep(0.05)
        return response

    started = time.monotonic()
    (error,) = get(handler, "a.jpg", fetch_seconds=0.5)
    assert type(error) is PictureTooSlowError
    assert "not fetched within 0.5 s" in error.message
    assert time.monotonic() - started < 5


def test_what_is_no_picture(get, jpeg):
    async def handler(request):
        bodies = {"/page": b"<html>sign in</html>", "/none": b"", "/zip": gzip.compress(jpeg)}
        return web.Response(body=bodies[request.path], content_type="image/jpeg")

    page, none, zipped = get(handler, "page", "none", "zip")
    assert "an HTML page, not a picture" in page.message
    assert "is empty" in none.message
    assert "a gzip file" in zipped.message


def test_a_large_body_goes_through_a_file(get, encode, photo, pixels, far):
    image = photo.resize((1600, 1200))
    data = encode(image, "BMP")
    assert len(data) > 5_000_000

    async def handler(request):
        return web.Response(body=data)

    (picture,) = get(handler, "a.bmp")
    assert far(pixels(picture), image.resize((1024, 768))) < 4


def test_only_so_many_are_fetched_at_once(get, jpeg):
    now, most = [0], [0]

    async def handler(request):
        now[0] += 1
        most[0] = max(most[0], now[0])
        await asyncio.sleep(0.05)
        now[0] -= 1
        return web.Response(body=jpeg)

    limits = {"max_connections": 7, "picture_connections": 7, "fetch_seconds": 0.3}
    pictures = get(handler, *(f"{n}.jpg" for n in range(30)), **limits)
    assert all(picture.data == jpeg for picture in pictures)  # waiting is not counted
    assert most[0] == 7
