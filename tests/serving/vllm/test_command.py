"""vLLM's server: its command, its reasons for failing. None of this needs vLLM."""

# ruff: noqa: E501 - lines of output as they came

from __future__ import annotations

import importlib.metadata
import itertools
import json

import pytest

from dataflow.core.errors import MissingPackageError, UnknownModelError, UsageError
from dataflow.serving.local_model_vlm_serving import LocalModelVLMServing_vllm
from dataflow.serving.vllm import command
from dataflow.serving.vllm.command import VllmServer, environment, find_reason
from tests.serving.small_models import checkpoint


@pytest.fixture
def vllm_is_there(monkeypatch):
    monkeypatch.setattr(command, "check_installed", lambda: None)


@pytest.fixture
def weights(tmp_path):
    return checkpoint(tmp_path / "weights")


REASONS = {
    # a worker's own error, with the front process's echo after it
    "SafetensorError: Error while deserializing header: incomplete metadata": """
(Worker pid=14140) ERROR 11-23 03:51:16 [multiproc_executor.py:953] Traceback (most recent call last):
(Worker pid=14140) ERROR 11-23 03:51:16 [multiproc_executor.py:953]     with safe_open(st_file) as f:
(Worker pid=14140) ERROR 11-23 03:51:16 [multiproc_executor.py:953] safetensors._safetensors_rust.SafetensorError: Error while deserializing header: incomplete metadata
(EngineCore pid=14139) Exception: WorkerProc initialization failed due to an exception in a background process. See stack trace for root cause.
    raise RuntimeError(
RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}
""",
    # pydantic says what is wrong in the next line
    "ValidationError: Value error, Total number of attention heads (4) must be divisible by 3.": """
pydantic_core._pydantic_core.ValidationError: 1 validation error for VllmConfig
  Value error, Total number of attention heads (4) must be divisible by 3. [type=value_error, input_value=1]
    For further information visit https://errors.pydantic.dev/2.14/v/value_error
""",
    "unrecognized arguments: --nonesuch": """
usage: api_server.py [-h]
api_server.py: error: unrecognized arguments: --nonesuch
""",
    "ValueError: No available memory for the cache blocks. Try increasing": """
(EngineCore_DP0 pid=1) ERROR 10-01 12:00:00 [core.py:708] ValueError: No available memory for the cache blocks. Try increasing
RuntimeError: Engine core initialization failed. See root cause above.
""",
    "OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.": """
[rank0]: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.
""",
    "EngineDeadError: EngineCore encountered an issue. See stack trace (above) for the root cause.": """
(APIServer pid=6947) ERROR 11-23 03:33:38 [async_llm.py:906] vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue. See stack trace (above) for the root cause.
INFO:     Shutting down
""",
}  # fmt: skip


@pytest.mark.parametrize("reason", REASONS)
def test_the_reason_is_the_cause_and_not_its_echo(reason):
    assert find_reason(REASONS[reason].splitlines()) == reason


def test_no_reason():
    assert find_reason(["INFO: Errors are logged", "an Error: no"]) is None


def test_vllm_missing_is_said_before_anything_else(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match=r"pip install 'dataflow-caption\[vllm\]'"):
        LocalModelVLMServing_vllm("/no/such/folder", vllm_top_p=7)


@pytest.mark.usefixtures("vllm_is_there")
class TestServing:
    @pytest.mark.parametrize("name", ["/no/such/folder", "./none", "~/none", "a/b/c", "../x"])
    def test_a_folder_that_is_not_there(self, name, tmp_path, monkeypatch):
        (tmp_path / "here").mkdir()
        monkeypatch.chdir(tmp_path / "here")
        with pytest.raises(UnknownModelError, match="there is no folder"):
            LocalModelVLMServing_vllm(name)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"vllm_tensor_parallel_size": 0},
            {"vllm_top_p": 0},
            {"vllm_temperature": -1},
            {"vllm_max_tokens": 0},
            {"vllm_gpu_memory_utilization": 90},
            {"max_workers": 0},
        ],
    )
    def test_numbers_that_cannot_be(self, wrong):
        with pytest.raises(UsageError, match=next(iter(wrong))):
            LocalModelVLMServing_vllm("a/b", **wrong)

    def test_sampling_and_context_as_given(self, weights):
        serving = LocalModelVLMServing_vllm(str(weights), vllm_seed=None, vllm_max_tokens=3000)
        settings = dict(serving.settings())
        assert len(settings.pop("weights")) == 32
        assert settings == {
            "engine": "vllm",
            "temperature": 0.7,
            "top_p": 0.9,
            "top_k": 40,
            "repetition_penalty": 1.0,
            "max_tokens": 3000,
        }
        assert serving.sampling()["max_tokens"] == 2048  # the weights can do no more
        command = serving.launch().command
        assert command[command.index("--max-model-len") + 1] == "2048"

    @pytest.mark.parametrize(
        "changed",
        [
            {"vllm_max_model_len": 1024},
            {"vllm_gpu_memory_utilization": 0.5},
            {"vllm_max_num_seqs": 7},
            {"vllm_images_per_request": 9},
            {"vllm_engine_args": {"kv-cache-memory-bytes": 2**27}},
            {"vllm_args": ("--max-num-seqs", "3", "--enforce-eager")},
            {"max_workers": 3},
        ],
    )
    def test_what_changes_no_answer_is_in_no_key(self, weights, changed):
        plain = LocalModelVLMServing_vllm(str(weights))
        assert LocalModelVLMServing_vllm(str(weights), **changed).settings() == plain.settings()

    @pytest.mark.parametrize(
        "changed",
        [
            {"vllm_dtype": "float32"},
            {"vllm_quantization": "fp8"},
            {"vllm_engine_args": {"kv-cache-dtype": "fp8"}},
            {"vllm_args": ("--dtype", "half")},
        ],
    )
    def test_what_may_change_an_answer_is_in_the_key(self, weights, changed):
        plain = LocalModelVLMServing_vllm(str(weights))
        assert LocalModelVLMServing_vllm(str(weights), **changed).settings() != plain.settings()

    def test_every_setting_reaches_the_server(self, weights):
        (weights / "preprocessor_config.json").write_text('{"patch_size": 14, "merge_size": 2}')
        serving = LocalModelVLMServing_vllm(
            str(weights),
            vllm_data_parallel_size=2,
            vllm_dtype="bfloat16",
            vllm_quantization="fp8",
            vllm_max_num_seqs=64,
            vllm_images_per_request=9,
            vllm_min_image_tokens=16,
            vllm_max_image_tokens=100,
            vllm_engine_args={"kv-cache-dtype": "fp8", "middleware": ["a", "b"], "eager": True},
        )
        words = serving.launch().command
        value = {a: b for a, b in itertools.pairwise(words) if a.startswith("--")}
        assert value["--data-parallel-size"] == "2"
        assert value["--dtype"] == "bfloat16"
        assert value["--quantization"] == "fp8"
        assert value["--max-num-seqs"] == "64"
        assert json.loads(value["--limit-mm-per-prompt"])["image"] == 9
        assert json.loads(value["--mm-processor-kwargs"]) == {
            "min_pixels": 16 * 784,
            "max_pixels": 100 * 784,
        }
        assert words[-6:] == ["--kv-cache-dtype", "fp8", "--middleware", "a", "b", "--eager"]

    def test_an_argument_that_is_ours_is_refused(self, weights):
        with pytest.raises(UsageError, match="port cannot be given"):
            LocalModelVLMServing_vllm(str(weights), vllm_engine_args={"port": 1})

    def test_a_local_folder_is_the_model_when_it_holds_one(self, weights):
        serving = LocalModelVLMServing_vllm("some/name", hf_local_dir=str(weights))
        assert serving.model == "some/name"
        command = serving.launch().command
        assert command[command.index("--model") + 1] == str(weights)
        assert command[command.index("--served-model-name") + 1] == "some/name"
        with pytest.raises(UnknownModelError, match="no such folder"):
            LocalModelVLMServing_vllm(hf_local_dir=str(weights / "none"))

    def test_late_loading_keeps_what_is_not_given_anew(self, weights):
        serving = LocalModelVLMServing_vllm(vllm_top_k=5, max_workers=3)
        with pytest.raises(UsageError, match="call load_model"):
            serving.child()
        serving.load_model(str(weights), vllm_top_p=0.5)
        settings = serving.settings()
        assert (serving.model, settings["top_k"], settings["top_p"]) == (str(weights), 5, 0.5)
        assert serving.max_workers == 3
        serving.load_model(hf_model_name_or_path="a/b", vllm_max_tokens=7)
        assert serving.settings()["max_tokens"] == 7
        with pytest.raises(TypeError):
            serving.load_model("a/b", nonesuch=1)

    def test_the_key_is_in_the_environment_alone(self, weights):
        serving = LocalModelVLMServing_vllm(str(weights))
        launch = serving.launch()
        assert launch.environment["VLLM_API_KEY"] == serving.key()
        assert launch.environment["VLLM_NO_USAGE_STATS"] == "1"
        assert serving.key() not in repr((launch, serving.settings()))


@pytest.mark.parametrize("cpu", [True, False])
def test_the_command(monkeypatch, cpu):
    monkeypatch.setattr(command, "on_cpu", lambda: cpu)
    server = VllmServer("W", "name", 2, 512, 0.5, arguments=("--dtype", "half"))
    words = server.command(1234)
    value = {a: b for a, b in itertools.pairwise(words) if a.startswith("--")}
    assert value["--model"] == "W"
    assert value["--host"] == "127.0.0.1"
    assert value["--port"] == "1234"
    assert value["--tensor-parallel-size"] == "2"
    assert value["--gpu-memory-utilization"] == "0.5"
    assert value["--max-model-len"] == "512"
    assert value["--generation-config"] == "vllm"
    assert json.loads(value["--limit-mm-per-prompt"]) == {"image": 8, "video": 0}
    assert "--enable-prefix-caching" in words
    assert ("--enforce-eager" in words) == ("--kv-cache-memory-bytes" in words) == cpu
    assert words[-2:] == ["--dtype", "half"]


def test_several_api_servers_are_started_by_vllms_own_command(monkeypatch):
    """The module that starts one of them ignores how many were asked for."""
    monkeypatch.setattr(command, "on_cpu", lambda: False)
    server = VllmServer("W", "name", 1, None, 0.5, api_servers=3, arguments=("--dtype", "half"))
    words = server.command(1234)
    assert words[1:5] == ["-m", "vllm.entrypoints.cli.main", "serve", "W"]
    assert words[words.index("--api-server-count") + 1] == "3"
    assert words[-2:] == ["--dtype", "half"]


@pytest.mark.parametrize(("cores", "servers"), [(1, 1), (8, 1), (16, 2), (32, 4), (256, 4)])
def test_a_machine_with_many_cores_has_several_api_servers(monkeypatch, cores, servers):
    monkeypatch.setattr(command, "on_cpu", lambda: False)
    assert command.api_servers(cores) == servers


def test_an_engine_on_the_cpu_keeps_the_cores_for_itself(monkeypatch):
    monkeypatch.setattr(command, "on_cpu", lambda: True)
    assert command.api_servers(256) == 1


@pytest.mark.usefixtures("vllm_is_there")
def test_a_vllm_that_cannot_have_several_api_servers_says_so(monkeypatch, weights):
    def version(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    with pytest.raises(UsageError, match="leave vllm_api_servers out"):
        LocalModelVLMServing_vllm(str(weights), vllm_api_servers=2)
    LocalModelVLMServing_vllm(str(weights), vllm_api_servers=1)


def test_the_environment():
    assert "HF_HUB_OFFLINE" not in environment("k", None, offline=False)
    asked = environment("k", "/cache", offline=True)
    assert (asked["HF_HUB_CACHE"], asked["HF_HUB_OFFLINE"]) == ("/cache", "1")
