"""Endpoints that come and go: the file or the folder is read again."""

from __future__ import annotations

import os

import pytest

from dataflow.app.options.commands.caption import CaptionOptions
from dataflow.app.planning.endpoints import EndpointLine, EndpointWatch
from dataflow.app.planning.engine import serving_of
from dataflow.core.errors import UsageError
from dataflow.serving.fake import FakeServing
from dataflow.serving.registration import registered


def make(line):
    serving = FakeServing(model="m")
    serving.api_urls = (line.url,)
    return serving


def urls(servings):
    return None if servings is None else [serving.api_urls[0] for serving in servings]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "servers.txt"
    moment = [10**18]

    def write(text):
        path.write_text(text)
        moment[0] += 10**9  # as later as a person is, whatever the disk's clock resolves
        os.utime(path, ns=(moment[0], moment[0]))
        return str(path)

    return write


def test_a_file_is_read_again_when_it_changes_and_only_then(file):
    watch = EndpointWatch(file("http://a\nhttp://b\n"), "KEY", make)
    first = watch.first()
    assert urls(first) == ["http://a", "http://b"]
    assert watch() is None
    file("http://b\nhttp://c\n")
    second = watch()
    assert urls(second) == ["http://b", "http://c"]
    assert second[0] is first[1]


def test_all_servers_of_a_file_may_leave(file):
    watch = EndpointWatch(file("http://a\n"), "KEY", make)
    watch.first()
    file("# none at present\n")
    assert watch() == []


def test_a_line_with_another_key_is_another_endpoint(file):
    watch = EndpointWatch(file("http://a ONE\n"), "KEY", make)
    first = watch.first()
    file("http://a OTHER\n")
    assert watch()[0] is not first[0]


def test_a_file_that_cannot_be_read_leaves_the_servers_and_is_told_once(file, caplog):
    path = file("http://a\n")
    watch = EndpointWatch(path, "KEY", make)
    watch.first()
    for _ in range(2):
        file("one two three\n")
        assert watch() is None
    assert caplog.text.count("the servers stay as they are") == 1
    os.unlink(path)
    assert watch() is None
    file("http://b\n")
    assert urls(watch()) == ["http://b"]


def test_those_of_the_command_line_stay(file):

    watch = EndpointWatch(
        file("http://a\n"), "KEY", make, [EndpointLine(url="http://x", key_env="K")]
    )
    assert urls(watch.first()) == ["http://x", "http://a"]
    file("")
    assert urls(watch()) == ["http://x"]


def test_a_folder_names_the_servers_that_are_registered(tmp_path):
    watch = EndpointWatch(str(tmp_path), "KEY", make)
    assert watch.first() == []
    with registered(tmp_path, "http://node:1/v1", "m"):
        assert urls(watch()) == ["http://node:1/v1"]
    assert watch() == []


def test_an_empty_folder_is_waited_for_and_an_empty_file_is_a_mistake(file, tmp_path):
    options = CaptionOptions(source="x", model="m", endpoints=str(tmp_path))
    serving = serving_of(options, lambda *_: None, needs_key=True)
    assert serving.model == "m"
    assert not serving.api_urls
    options = CaptionOptions(source="x", model="m", endpoints=file("# none\n"))
    with pytest.raises(UsageError, match="lists no endpoint"):
        serving_of(options, lambda *_: None, needs_key=True)
