"""Each thing a server can do wrong has its typed outcome, over real sockets."""

from __future__ import annotations

import asyncio
import re
import ssl
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import aiohttp
import pytest

from dataflow.core import errors
from dataflow.core.times.retry_after import LONGEST_WAIT
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.serving.openai.client import ChatClient, ClientOptions
from dataflow.serving.openai.replies import read_answer
from dataflow.serving.openai.transport.credentials import credentials
from dataflow.serving.openai.transport.transport_errors import map_transport_error
from tests.servers.hostile_faults import FAULTS, KEY, Fault, caption_of
from tests.servers.replay_server import Provider, ReplayServer
from tests.serving.outcomes import OUTCOMES

RETRY_AFTER = {"429_seconds": 0.02, "429_ms": 0.02, "503": 0.02, "429_date": 2.0}


def ask(url, question, *, timeout=10.0, **options):
    async def run():
        client = ChatClient(
            url,
            model="m",
            options=ClientOptions(
                credentials=credentials(KEY), timeout=timeout, connections=4, **options
            ),
        )
        async with client:
            return await client.send(*question)

    return asyncio.run(run())


def test_every_fault_has_an_outcome():
    assert OUTCOMES.keys() == FAULTS.keys()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("fault", FAULTS)
def test_outcome(hostile, question, fault, stream):
    server = hostile(fault)
    expected = OUTCOMES[fault]
    timeout = 0.5 if expected is errors.AskTimeoutError else 10.0
    request, pictures = question(3)
    try:
        outcome = ask(server.url, (request, pictures), stream=stream, timeout=timeout)
    except errors.DataflowError as error:
        outcome = error
    if isinstance(outcome, errors.DataflowError):
        said = "".join(traceback.format_exception(outcome))
        assert KEY not in said
        assert server.bodies[0]["messages"][1]["content"][0]["image_url"]["url"][30:90] not in said
        assert len(outcome.message) < 500
    assert type(outcome) is expected, outcome
    if fault in RETRY_AFTER:
        assert outcome.retry_after == pytest.approx(RETRY_AFTER[fault], abs=2)
    elif isinstance(outcome, errors.TryAgainError):
        assert outcome.retry_after is None
    # a rejection without a reason is met by one more request, in the plainest form
    assert server.asked == (2 if expected is errors.BadRequestError else 1)


def test_texts_of_odd_replies(hostile, question):
    whole = caption_of(question(3)[1][0].data)
    assert ask(hostile("null_content").url, question(3)).text == ""
    cut = ask(hostile("length").url, question(3))
    assert (cut.text, cut.finish_reason) == (whole[:12], "length")
    assert ask(hostile("stream_lost_end").url, question(3), stream=True).text == whole


def test_stream_gives_the_same_reply(hostile, question):
    server = hostile()
    whole, streamed = (ask(server.url, question(5), stream=s) for s in (False, True))
    assert whole.text == streamed.text == caption_of(question(5)[1][0].data)
    assert whole.finish_reason == streamed.finish_reason == "stop"
    assert whole.usage == streamed.usage
    assert server.bodies[1]["stream_options"] == {"include_usage": True}


def test_a_large_picture_arrives_whole(hostile, question):
    request, [picture] = question(1)
    data = picture.data + bytes(range(256)) * 20_000
    big = type(picture)(data, "image/jpeg", 64, 48)
    assert ask(hostile().url, (request, [big])).text == caption_of(data)


def test_nobody_there(question):
    with pytest.raises(errors.ConnectionLostError):
        ask("http://127.0.0.1:9/v1", question(1))


def test_no_such_host(question):
    with pytest.raises(errors.ConnectionLostError):
        ask("http://no-such-host.invalid/v1", question(1))


def test_https_asked_of_a_plain_server_says_http(hostile, question):
    with pytest.raises(errors.WrongAddressError, match=r"127\.0\.0\.1:\d+ does not .* try http://"):
        ask(hostile().url.replace("http:", "https:"), question(1))


def test_redirect_names_its_target(hostile, question):
    with pytest.raises(errors.StopRunError, match=r"127\.0\.0\.1:9/elsewhere"):
        ask(hostile("redirect").url, question(1))


def test_wrong_path_names_path_and_cure(hostile, question):
    with pytest.raises(errors.StopRunError, match=r"HTTP 404 /nope/chat/completions.*end in /v1"):
        ask(hostile().url.replace("/v1", "/nope"), question(1))


def test_a_date_is_measured_against_the_servers_clock():
    headers = {"Date": "Tue, 01 Jan 2030 00:00:00 GMT", "Retry-After": ""}
    for date, seconds in (
        ("Tue, 01 Jan 2030 00:00:07 GMT", 7.0),
        ("Mon, 31 Dec 2029 23:59:00 GMT", 0.0),
        ("Fri, 01 Jan 2100 00:00:00 GMT", LONGEST_WAIT),
        ("nan", None),
        ("-5", 0.0),
        ("1e300", LONGEST_WAIT),
        ("soon", None),
    ):
        with pytest.raises(errors.RateLimitedError) as caught:
            read_answer(429, {**headers, "Retry-After": date}, b"")
        assert caught.value.retry_after == seconds


def test_max_tokens_is_renamed_once_for_all(hostile, question, monkeypatch):
    server = hostile()

    def fault(number):
        return "max_tokens_name" if "max_tokens" in server.bodies[-1] else None

    server.fault = fault
    fault_there = Fault("it knows another name", _refuse_max_tokens)
    monkeypatch.setitem(FAULTS, "max_tokens_name", fault_there)

    async def run():
        client = ChatClient(
            server.url,
            model="m",
            options=ClientOptions(
                credentials=credentials(KEY), sampling={"max_tokens": 77}, timeout=5, connections=2
            ),
        )
        async with client:
            return [await client.send(*question(n)) for n in range(3)]

    texts = [reply.text for reply in asyncio.run(run())]
    assert texts == [caption_of(question(n)[1][0].data) for n in range(3)]
    assert server.asked == 4
    assert [body.get("max_completion_tokens") for body in server.bodies] == [None, 77, 77, 77]


async def _refuse_max_tokens(exchange):
    await exchange.error(
        400,
        "Unsupported parameter: 'max_tokens' is not supported with this model. "
        "Use 'max_completion_tokens' instead.",
        code="unsupported_parameter",
    )


def test_models(hostile):
    async def run(server, key):
        client = ChatClient(
            server.url,
            model="m",
            options=ClientOptions(credentials=credentials(key), timeout=5, connections=1),
        )
        async with client:
            return await client.models()

    server = hostile(key=KEY, model="mine")
    assert asyncio.run(run(server, KEY)) == ["mine"]
    with pytest.raises(errors.WrongKeyError):
        asyncio.run(run(server, "sk-wrong"))
    assert server.asked == 0


def test_a_server_that_cannot_be_trusted_stops_the_run():
    refused = ssl.SSLCertVerificationError(1, f"certificate verify failed {KEY}")
    connection = aiohttp.client_reqrep.ConnectionKey("host", 443, True, True, None, None, None)
    for error in (refused, aiohttp.ClientConnectorCertificateError(connection, refused)):
        found = map_transport_error(error, host="host", timeout=1, secrets=(KEY,))
        assert type(found) is errors.StopRunError
        assert KEY not in str(found)


def test_the_environments_proxy_is_taken_but_not_for_this_machine(monkeypatch, hostile, question):
    proxy = hostile()
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, proxy.url.removesuffix("/v1"))
    monkeypatch.setenv("no_proxy", "direct.invalid")
    with pytest.raises(errors.StopRunError, match="HTTP 404"):  # it knows no absolute paths
        ask("http://far.invalid/v1", question(1))
    assert proxy.asked == 1
    with pytest.raises(errors.ConnectionLostError):
        ask("http://direct.invalid/v1", question(1))
    assert ask(hostile().url, question(1)).text
    assert proxy.asked == 1


def answering(body, **headers):
    """A server that gives this body to every request, with these headers."""
    data = body.encode() if isinstance(body, str) else body

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


STREAM = (
    'data: {"choices": [{"delta": {"content": "A tram."}, "finish_reason": "stop"}]}\n\n'
    "data: [DONE]\n\n"
)


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/json", "text/event-stream", "", "text/html"]
)
def test_a_stream_that_was_not_asked_for_is_read_whatever_its_type(question, content_type):
    with answering(STREAM, Content_Type=content_type) as server:
        url = f"http://127.0.0.1:{server.server_port}/v1"
        assert ask(url, question(1)).text == "A tram."
        server.shutdown()


@pytest.mark.parametrize(
    "beginning",
    [b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 200 OK\r\nNo Header\r\n\r\n", b"+OK ready\r\n"],
    ids=["ssh", "a broken header", "pop3"],
)
def test_what_is_no_http_is_told_in_plain_words(question, beginning):
    async def run():
        async def answer(_, writer):
            writer.write(beginning)
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with ChatClient(f"http://127.0.0.1:{port}/v1", model="m") as client:
                await client.send(*question(1))

    with pytest.raises(errors.ConnectionLostError, match=r"no proper HTTP .*right port") as caught:
        asyncio.run(run())
    assert "message=" not in caught.value.message
    assert "b'" not in caught.value.message


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip"])
def test_a_reply_that_cannot_be_unpacked_says_so(question, coding):
    with answering(b"\x0b\x02\x80nothing\x03", Content_Encoding=coding) as server:
        url = f"http://127.0.0.1:{server.server_port}/v1"
        with pytest.raises(errors.GarbledReplyError, match="compressed") as caught:
            ask(url, question(1))
        server.shutdown()
    assert "install" not in caught.value.message


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_cannot_be_reached_is_named_with_its_variable(monkeypatch, question, scheme):
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(f"{scheme}_proxy", "http://me:hidden-word@127.0.0.1:9")
    with pytest.raises(errors.ConnectionLostError) as caught:
        ask(f"{scheme}://far.invalid/v1", question(1))
    said = caught.value.message
    assert f"the proxy 127.0.0.1:9, from {scheme}_proxy, cannot be reached" in said
    assert "hidden-word" not in said


@pytest.mark.parametrize("content", [None, "no certificate"], ids=["missing", "broken"])
def test_a_file_of_certificates_in_the_environment_that_cannot_be_read_is_named(
    monkeypatch, question, tmp_path, content
):
    file = tmp_path / "authority.pem"
    if content is not None:
        file.write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with pytest.raises(errors.UsageError, match="SSL_CERT_FILE") as caught:
        ask("https://far.invalid/v1", question(1))
    assert str(file) in caught.value.message
    with pytest.raises(errors.ConnectionLostError):
        ask("http://127.0.0.1:9/v1", question(1))  # nothing is encrypted there


def outcome_at(url, timeout=5):
    async def run():
        async with ChatClient(url, model="m", options=ClientOptions(timeout=timeout)) as client:
            return await client.models()

    with pytest.raises(errors.DataflowError) as caught:
        asyncio.run(run())
    return caught.value


@pytest.mark.parametrize(
    ("make_url", "kind", "words"),
    [
        (lambda url: url.replace("http://", "https://"), errors.WrongAddressError, "try http://"),
        (lambda url: "http://127.0.0.1:9/v1", errors.ConnectionLostError, "nothing listens"),
        (lambda url: "http://no-such-host.invalid/v1", errors.ConnectionLostError, "not known"),
    ],
    ids=["https to an http port", "nothing there", "no such name"],
)
def test_the_way_to_a_server_is_told_in_words_and_not_by_python_classes(
    make_url, kind, words, monkeypatch
):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with ReplayServer(Provider(name="plain", url="", model="m", source="")) as server:
        error = outcome_at(make_url(server.url))
    assert type(error) is kind
    assert words in error.message
    assert not re.search(r"\b[A-Z]\w*(Error|Exception)\b|<class|0x[0-9a-f]+", error.message)


def test_a_401_without_a_key_says_that_none_was_sent_and_which_variable_was_looked_for(
    hostile, question, monkeypatch
):
    monkeypatch.delenv("THEIR_KEY", raising=False)
    serving = APIVLMServing_openai(hostile(key=KEY).url, "THEIR_KEY", "m")

    async def run():
        async with serving.connect() as client:
            return await client.send(*question(1))

    with pytest.raises(errors.WrongKeyError, match=r"no key was sent: .*THEIR_KEY is not set"):
        asyncio.run(run())


def test_an_unknown_model_names_those_that_the_server_offers(hostile, question):
    async def run(url):
        async with ChatClient(url, model="hostile-v", options=ClientOptions(timeout=5)) as client:
            return await client.send(*question(1))

    with pytest.raises(errors.UnknownModelError, match="this server offers hostile-vlm"):
        asyncio.run(run(hostile(model="hostile-vlm").url))
