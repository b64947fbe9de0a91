"""The servings that need no engine keep the contract."""

import pytest

from dataflow.serving.adapter import ServingAdapter
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.serving.fake import FakeServing
from dataflow.serving.load_balancer import LoadBalancedServing
from tests.servers.hostile_server import caption_of
from tests.serving.contract import ServingContract


class TestFake(ServingContract):
    @pytest.fixture
    def serving(self):
        return FakeServing(lambda request, pictures: caption_of(pictures[0].data))


class TestForeign(ServingContract):
    @pytest.fixture
    def serving(self, lists_in_lists_out):
        return ServingAdapter(lists_in_lists_out, batch_size=4)


class TestAPI(ServingContract):
    @pytest.fixture(params=[False, True], ids=["whole", "stream"])
    def serving(self, request, hostile):
        return APIVLMServing_openai(hostile().url, send_request_stream=request.param)


class TestSpread(ServingContract):
    @pytest.fixture
    def serving(self, hostile):
        return LoadBalancedServing([APIVLMServing_openai(hostile().url) for _ in range(3)])
