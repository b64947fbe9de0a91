"""A server that speaks the other protocol at its port is told from one that is away."""

from __future__ import annotations

import asyncio

import pytest

from dataflow.core import errors
from dataflow.serving.openai.client import ChatClient, ClientOptions
from dataflow.serving.openai.transport.endpoint import read_endpoint
from dataflow.serving.openai.transport.scheme_probe import scheme_hint
from tests.servers.certificate import self_signed


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    """The context of a server with a certificate that nobody trusts."""
    return self_signed(tmp_path_factory.mktemp("tls"))


async def _close(_, writer):
    writer.close()


async def _abort(_, writer):
    writer.transport.abort()


async def _plain(reader, writer):
    """An HTTP server that closes without a word where it gets something else."""
    head = await reader.read(3)
    if head == b"GET":
        writer.write(b"HTTP/1.0 404 Not Found\r\n\r\n")
    writer.close()


def outcome(scheme, handler, question, *, tls=None):
    """What is said of a server that answers so, asked by `scheme`."""

    async def run():
        server = await asyncio.start_server(handler, "127.0.0.1", 0, ssl=tls)
        port = server.sockets[0].getsockname()[1]
        url = f"{scheme}://127.0.0.1:{port}/v1"
        async with server, ChatClient(url, model="m", options=ClientOptions(timeout=5)) as client:
            try:
                await client.send(*question)
            except errors.DataflowError as error:
                return error.message.replace(str(port), "PORT"), type(error)
        return "answered", None

    return asyncio.run(run())


@pytest.mark.parametrize("handler", [_close, _abort])
def test_plain_http_to_a_tls_server_says_https(handler, question, tls):
    message, kind = outcome("http", handler, question(1), tls=tls)
    assert message == "127.0.0.1:PORT speaks TLS at this port: try https://"
    assert issubclass(kind, errors.StopRunError)


def test_https_to_a_server_that_closes_says_http(question):
    message, kind = outcome("https", _plain, question(1))
    assert message == "127.0.0.1:PORT does not speak TLS: try http://"
    assert issubclass(kind, errors.StopRunError)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("handler", [_close, _abort])
def test_a_server_that_closes_every_connection_is_away(scheme, handler, question):
    message, kind = outcome(scheme, handler, question(1))
    assert kind is errors.ConnectionLostError
    assert "try http" not in message


def test_nobody_there_is_no_wrong_protocol():
    for url in ("http://127.0.0.1:9/v1", "https://127.0.0.1:9/v1"):
        assert asyncio.run(scheme_hint(read_endpoint(url))) == ""
