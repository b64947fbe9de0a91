"""Which proxy the environment names for an address."""

from __future__ import annotations

import asyncio
import base64

import pytest

from dataflow.core import errors
from dataflow.core.request import Request, Turn
from dataflow.serving.openai.client import ChatClient, ClientOptions
from dataflow.serving.openai.transport.proxy import find_proxy, is_exempt

URL = "https://api.example.com/v1/chat/completions"


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("http://proxy.corp:3128", "http://proxy.corp:3128"),
        ("proxy.corp:3128", "http://proxy.corp:3128"),
        ("10.0.0.1:8080", "http://10.0.0.1:8080"),
        ("proxy.corp", "http://proxy.corp:80"),
        ("https://proxy.corp", "https://proxy.corp:443"),
        ("socks5://proxy.corp", "socks5://proxy.corp:1080"),
        ("socks5h://proxy.corp:9", "socks5h://proxy.corp:9"),
        ("socks://proxy.corp:9", "socks5://proxy.corp:9"),
        ("http://[::1]:3128", "http://[::1]:3128"),
    ],
)
def test_forms_of_an_address(given, url):
    for name in ("https_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        found = find_proxy(URL, {name: given})
        assert (found.url, found.is_socks) == (url, url.startswith("socks"))


@pytest.mark.parametrize("given", ["ftp://proxy:1", "http://", "http://proxy:99999", "://x"])
def test_what_is_no_proxy_is_refused_and_never_passed_over(given):
    with pytest.raises(errors.ProxyError, match="HTTPS_PROXY"):
        find_proxy(URL, {"HTTPS_PROXY": given})


def test_a_user_and_a_password_are_no_part_of_the_url():
    found = find_proxy(URL, {"HTTPS_PROXY": "http://me:p%40ss-WORD@proxy:3128"})
    assert (found.url, found.user, found.password) == ("http://proxy:3128", "me", "p@ss-WORD")
    assert "WORD" not in repr(found)


def test_no_proxy_at_all():
    assert find_proxy(URL, {}) is None
    assert find_proxy(URL, {"HTTP_PROXY": "http://proxy:1"}) is None
    assert find_proxy(URL, {"HTTPS_PROXY": "  "}) is None


@pytest.mark.parametrize(
    ("host", "port", "exceptions", "exempt"),
    [
        ("api.example.com", 443, "*", True),
        ("api.example.com", 443, "example.com", True),
        ("api.example.com", 443, ".example.com", True),
        ("api.example.com", 443, "*.example.com", True),
        ("api.example.com", 443, "other.org, API.EXAMPLE.COM", True),
        ("notexample.com", 443, "example.com", False),
        ("api.example.com", 443, "example.com:443", True),
        ("api.example.com", 8443, "example.com:443", False),
        ("192.168.7.9", 80, "192.168.0.0/16", True),
        ("192.169.7.9", 80, "192.168.0.0/16", False),
        ("192.168.7.9", 80, "192.168.7.9", True),
        ("192.168.7.9", 80, "192.168.7.9:8000", False),
        ("fd00::7", 80, "fd00::/8", True),
        ("fd00::7", 80, "fd00::7", True),
        ("10.1.2.3", 80, "localhost 10.0.0.0/8", True),
        ("10.1.2.3", 80, "", False),
        ("10.1.2.3", 80, "nonsense/99", False),
    ],
)
def test_exceptions_are_names_addresses_and_networks(host, port, exceptions, exempt):
    assert is_exempt(host, port, exceptions) is exempt


def call_through(monkeypatch, answer, scheme="http"):
    """What comes of a request through a proxy that answers `answer`, and what it was sent."""
    seen = []

    async def serve(reader, writer):
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        await writer.drain()
        writer.close()

    async def scene():
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        for name in ("HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, f"http://puser:PROXYPASSWORD@127.0.0.1:{port}")
        for name in ("http_proxy", "https_proxy", "no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        client = ChatClient(
            f"{scheme}://api.example.test/v1", model="m", options=ClientOptions(timeout=5)
        )
        try:
            async with client:
                return await client.models()
        except errors.DataflowError as error:
            return error
        finally:
            server.close()

    return asyncio.run(scene()), seen


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_wants_another_password_stops_the_run_and_shows_none(monkeypatch, scheme):
    answer = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    outcome, seen = call_through(monkeypatch, answer, scheme)
    assert isinstance(outcome, errors.ProxyError)
    assert "PROXYPASSWORD" not in repr(outcome)
    assert base64.b64encode(b"puser:PROXYPASSWORD") in seen[0]


def test_a_proxy_that_cannot_reach_the_server_is_tried_again(monkeypatch):
    answer = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"
    outcome, _ = call_through(monkeypatch, answer, "https")
    assert isinstance(outcome, errors.ConnectionLostError)


def test_a_socks_proxy_without_its_package_is_refused_with_the_cure(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "aiohttp_socks", None)
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)

    async def scene():
        async with ChatClient("http://api.example.test/v1", model="m"):
            pass

    with pytest.raises(errors.MissingPackageError, match=r"\[socks\]"):
        asyncio.run(scene())


def test_a_socks_proxy_is_used(monkeypatch):
    """A SOCKS 5 server in twenty lines (RFC 1928): it connects everything to our own server."""
    pytest.importorskip("aiohttp_socks")
    wanted = []

    async def serve(reader, writer):
        _, methods = await reader.readexactly(2)
        await reader.readexactly(methods)
        writer.write(b"\x05\x00")
        head = await reader.readexactly(5)
        name = await reader.readexactly(head[4])
        await reader.readexactly(2)
        wanted.append(name.decode())
        writer.write(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
        await reader.readuntil(b"\r\n\r\n")
        body = b'{"data": [{"id": "m"}]}'
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()
        writer.close()

    async def scene():
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        monkeypatch.setenv("ALL_PROXY", f"socks5h://127.0.0.1:{port}")
        for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        async with ChatClient(
            "http://api.example.test/v1", model="m", options=ClientOptions(timeout=5)
        ) as client:
            names = await client.models()
        server.close()
        return names

    assert asyncio.run(scene()) == ["m"]
    assert wanted == ["api.example.test"]


@pytest.mark.parametrize(
    ("answers", "kind", "words"),
    [
        (None, errors.ConnectionLostError, "the proxy cannot be reached"),
        ((b"",), errors.ConnectionLostError, "the proxy"),
        ((b"HTTP/1.1 400 Bad Request\r\n\r\n",), errors.ConnectionLostError, "the proxy"),
        ((b"\x05\xff",), errors.ProxyError, "user name and password"),
        ((b"\x05\x02", b"\x01\x01"), errors.ProxyError, "user name and password"),
        ((b"\x05\x00", b"\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00"),
         errors.ConnectionLostError, "the proxy could not reach the server"),
        ((b"\x05\x00", b"\x05\x04\x00\x01\x00\x00\x00\x00\x00\x00"),
         errors.ConnectionLostError, "the proxy could not reach the server"),
    ],
    ids=["not there", "hangs up", "no SOCKS", "no method", "password", "refused", "no host"],
)  # fmt: skip
def test_what_fails_at_a_socks_proxy_is_an_error_of_ours(monkeypatch, answers, kind, words):
    pytest.importorskip("aiohttp_socks")

    async def serve(reader, writer):
        for answer in answers or ():
            await reader.read(1000)
            writer.write(answer)
            await writer.drain()
        writer.close()

    async def scene():
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        if answers is None:
            server.close()
            await server.wait_closed()
        monkeypatch.setenv("ALL_PROXY", f"socks5h://someone:hidden-word@127.0.0.1:{port}")
        for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        async with ChatClient(
            "http://api.example.test/v1", model="m", options=ClientOptions(timeout=5)
        ) as client:
            try:
                await client.send(Request((Turn("user", ("What?",)),)), ())
            finally:
                server.close()

    with pytest.raises(kind, match=words) as caught:
        asyncio.run(scene())
    assert "hidden-word" not in str(caught.value)
    assert "Error" not in str(caught.value)
