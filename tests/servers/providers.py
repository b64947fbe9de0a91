"""Twenty-one providers and servers, each as its documentation or its users say that it answers.

`source` is where that was read; a tracker's thread is dated by its newest post.
"""

from __future__ import annotations

import math
from typing import Any

from tests.servers.replay_server import Answer, Provider


def _openai(message: str, code: str | None = None, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "code": code, **more}}


_NO_SUCH_MODEL = Answer(
    404, _openai("The model `nope` does not exist or you do not have access to it.",
                 "model_not_found"),
)  # fmt: skip
_WRONG_KEY = Answer(401, _openai("Incorrect API key provided: sk-wrong.", "invalid_api_key"))
_SLOW_DOWN = Answer(
    429,
    {"error": {"message": "Rate limit reached for requests per min (RPM): Limit 500, Used 500. "
                          "Please try again in 120ms.",
               "type": "requests", "code": "rate_limit_exceeded"}},
    {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "120ms"},
)  # fmt: skip
_GOOGLE_LIMIT = {
    "error": {
        "code": 429,
        "message": "You exceeded your current quota, please check your plan and billing details.",
        "status": "RESOURCE_EXHAUSTED",
        "details": [
            {"@type": "type.googleapis.com/google.rpc.QuotaFailure",
             "violations": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"}]},
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "23s"},
        ],
    }
}  # fmt: skip
_VLLM_MODEL = Answer(
    404,
    {"object": "error", "message": "The model `nope` does not exist.", "type": "NotFoundError",
     "param": None, "code": 404},
)  # fmt: skip


def _unsupported(name: str, message: str) -> Answer:
    return Answer(400, _openai(message, "unsupported_parameter", param=name))


PROVIDERS = (
    Provider(
        name="OpenAI (4o, 4.1)", url="https://api.openai.com/v1", model="gpt-4o-mini",
        source="https://platform.openai.com/docs/guides/error-codes",
        key_variable="OPENAI_API_KEY",
        wrong_key=_WRONG_KEY, unknown_model=_NO_SUCH_MODEL, rate_limit=_SLOW_DOWN, wait=0.12,
        refusal=Answer(400, _openai("Your input image may contain content that is not allowed by "
                                    "our safety system.", "content_policy_violation")),
        notes=("`--detail low` counts a picture as 85 tokens.",),
    ),
    Provider(
        name="OpenAI (5, o-series)", url="https://api.openai.com/v1", model="gpt-5-mini",
        source="https://github.com/appatalks/eva-agent/issues/83 (2025-04-03), "
               "https://github.com/microsoft/vscode/issues/282170 (2025-12-09)",
        key_variable="OPENAI_API_KEY", flags="--preset brief --body reasoning_effort=low",
        arguments={"max_tokens": 300, "body": {"reasoning_effort": "low"}},
        refuses={
            "temperature": _unsupported("temperature", "Unsupported parameter: 'temperature' is "
                                        "not supported with this model."),
            "max_tokens": _unsupported("max_tokens", "Unsupported parameter: 'max_tokens' is not "
                                       "supported with this model. Use 'max_completion_tokens' "
                                       "instead."),
        },
        wrong_key=_WRONG_KEY, unknown_model=_NO_SUCH_MODEL, rate_limit=_SLOW_DOWN, wait=0.12,
        refusal=Answer(400, _openai("Invalid prompt: your prompt was flagged as potentially "
                                    "violating our usage policy.", "invalid_prompt")),
        notes=(("Takes no temperature but 1: a preset's own is taken back; yours stops the run, or "
               "goes with `--drop-params`."),
               "`max_tokens` is sent as `max_completion_tokens`, thoughts included: leave room."),
    ),
    Provider(
        name="Azure OpenAI",
        url="https://NAME.openai.azure.com/openai/deployments/gpt-4o?api-version=2024-10-21",
        model="gpt-4o", path="/openai/deployments/gpt-4o", query="api-version=2024-10-21",
        source="https://learn.microsoft.com/azure/ai-services/openai/reference, "
               "https://learn.microsoft.com/azure/foundry/openai/api-version-lifecycle "
               "(read 2026-12-01), "
               "https://github.com/browser-use/browser-use/issues/4783 (2026-05-04)",
        key_variable="AZURE_OPENAI_API_KEY", key_header="api-key", flags="--key-header api-key",
        arguments={"key_header": "api-key"},
        wrong_key=Answer(401, {"error": {"code": "401", "message": "Access denied due to invalid "
                               "subscription key or wrong API endpoint."}}),
        unknown_model=Answer(404, {"error": {"code": "DeploymentNotFound", "message": "The API "
                                   "deployment for this resource does not exist."}}),
        rate_limit=Answer(429, {"error": {"code": "429", "message": "Requests have exceeded call "
                                "rate limit. Please retry after 9 seconds."}},
                          {"retry-after": "9"}),
        wait=9,
        refusal=Answer(400, {"error": {
            "message": "The response was filtered due to the prompt triggering Azure OpenAI's "
                       "content management policy.", "param": "prompt", "code": "content_filter",
            "status": 400, "innererror": {"code": "ResponsibleAIPolicyViolation"}}}),
        notes=(("The key goes into the header `api-key`; the URL names the deployment and "
               "`?api-version=`."),
               ("Its newer address, `https://NAME.openai.azure.com/openai/v1`, needs no version; "
                "`--model` is then the deployment's name.")),
    ),
    Provider(
        name="DashScope (Qwen-VL)", url="https://dashscope.aliyuncs.com/compatible-mode/v1",
        model="qwen3-vl-plus", path="/compatible-mode/v1",
        source="https://help.aliyun.com/zh/model-studio/error-code (read 2026-11-30)",
        key_variable="DASHSCOPE_API_KEY", flags="--body enable_thinking=false",
        arguments={"body": {"enable_thinking": False}}, needs={"enable_thinking": False},
        wrong_key=Answer(401, _openai("Incorrect API key provided. For details, see: "
                                      "https://help.aliyun.com/zh/model-studio/error-code",
                                      "invalid_api_key")),
        unknown_model=Answer(404, _openai("The model `nope` does not exist or you do not have "
                                          "access to it.", "model_not_found")),
        rate_limit=Answer(429, {"error": {"message": "You exceeded your current requests list.",
                                          "type": "limit_requests", "code": "limit_requests"}}),
        refusal=Answer(400, {"error": {"code": "data_inspection_failed", "message": "Input data "
                                       "may contain inappropriate content."}}),
        notes=(("Hybrid models think unless told not to, and then answer in streams alone: "
               "`--body enable_thinking=false`, or `--stream` to keep the thoughts."),
               ("Outside China the address is `https://dashscope-intl.aliyuncs.com/"
               "compatible-mode/v1`.")),
    ),
    Provider(
        name="ModelScope", url="https://api-inference.modelscope.cn/v1",
        model="Qwen/Qwen3-VL-8B-Instruct",
        source="https://modelscope.cn/docs/model-service/API-Inference/intro, "
               "https://github.com/modelscope/modelscope/issues/1681",
        key_variable="MODELSCOPE_API_KEY",
        wrong_key=Answer(401, {"errors": {"message": "Authentication failed, please make sure that "
                               "a valid ModelScope token is supplied."}}),
        unknown_model=Answer(400, {"errors": {"message": "Invalid model id: nope"},
                                   "request_id": "x"}),
        rate_limit=Answer(429, {"errors": {"message": "You have exceeded today's quota for model "
                                "Qwen/Qwen3-VL-8B-Instruct, please try again tomorrow"}}),
        wait=math.inf,
        refusal=Answer(400, {"errors": {"code": "data_inspection_failed", "message": "Input data "
                             "may contain inappropriate content."}}),
        notes=("The free quota is counted by the day and by the model.",),
    ),
    Provider(
        name="SiliconFlow", url="https://api.siliconflow.cn/v1",
        model="Qwen/Qwen3-VL-32B-Instruct",
        source="https://docs.siliconflow.cn/en/faqs/error-code (read 2026-11-30)",
        key_variable="SILICONFLOW_API_KEY",
        wrong_key=Answer(401, "Api key is invalid"),
        unknown_model=Answer(400, {"code": 20012, "message": "Model does not exist. Please check "
                                   "it carefully.", "data": None}),
        rate_limit=Answer(429, {"message": "Request was rejected due to rate limiting. Details: "
                                "TPM limit reached."}),
        refusal="content_filter",
        notes=(("Errors stand in `{\"code\", \"message\", \"data\"}`; a wrong key is answered with "
               "a plain sentence."),),
    ),
    Provider(
        name="Gemini", url="https://generativelanguage.googleapis.com/v1beta/openai",
        model="gemini-2.5-flash", path="/v1beta/openai",
        source="https://ai.google.dev/gemini-api/docs/openai, "
               "https://github.com/continuedev/continue/issues/10530 (2026-02-15)",
        key_variable="GEMINI_API_KEY", flags="--body reasoning_effort=low",
        arguments={"body": {"reasoning_effort": "low"}},
        wrong_key=Answer(400, [{"error": {"code": 400, "message": "API key not valid. Please pass "
                                "a valid API key.", "status": "INVALID_ARGUMENT"}}]),
        unknown_model=Answer(404, [{"error": {"code": 404, "message": "models/nope is not found "
                                    "for API version v1main, or is not supported for "
                                    "generateContent.", "status": "NOT_FOUND"}}]),
        rate_limit=Answer(429, [_GOOGLE_LIMIT]), wait=23, refusal="RECITATION", cut="MAX_TOKENS",
        good="STOP",
        notes=(("Passes its own finish reasons through: `RECITATION`, `IMAGE_SAFETY` and their "
               "like are refusals."),
               "Its errors are lists of one; a wrong key is HTTP 400."),
    ),
    Provider(
        name="Anthropic", url="https://api.anthropic.com/v1", model="claude-haiku-4-5",
        source="https://platform.claude.com/docs/en/api/openai-sdk (read 2026-11-30)",
        key_variable="ANTHROPIC_API_KEY",
        wrong_key=Answer(401, {"error": {"code": "invalid_api_key", "message": "invalid x-api-key",
                                         "type": "authentication_error"}}),
        unknown_model=Answer(404, {"error": {"code": None, "message": "model: nope",
                                             "type": "not_found_error"}}),
        rate_limit=Answer(429, {"error": {"type": "rate_limit_error", "message": "This request "
                                "would exceed your organization's rate limit of 50 requests per "
                                "minute."}}, {"retry-after": "12"}),
        wait=12, refusal="refusal",
        notes=("Ignores `seed`, `response_format` and the penalties; caps a temperature above 1.",
               "Refuses pictures over 5 MB of base64: `--max-side` makes them smaller."),
    ),
    Provider(
        name="OpenRouter", url="https://openrouter.ai/api/v1", model="qwen/qwen3-vl-8b-instruct",
        path="/api/v1",
        source="https://openrouter.ai/docs/api-reference/errors, "
               "https://github.com/open-webui/computer/issues/293 (2026-09-20)",
        key_variable="OPENROUTER_API_KEY",
        wrong_key=Answer(401, {"error": {"message": "No auth credentials found", "code": 401}}),
        unknown_model=Answer(400, {"error": {"message": "nope is not a valid model ID",
                                             "code": 400}}),
        rate_limit=Answer(429, {"error": {
            "message": "Rate limit exceeded: free-models-per-min. ", "code": 429,
            "metadata": {"headers": {"X-RateLimit-Limit": "20", "X-RateLimit-Remaining": "0",
                                     "Retry-After": "30"}}}}),
        wait=30,
        refusal=Answer(403, {"error": {"message": "The model requires moderation. Your input was "
                             "flagged for \"violence\".", "code": 403,
                             "metadata": {"reasons": ["violence"]}}}),
        notes=("The provider's own words stand in `metadata.raw`; they are shown.",
               "Models named `…:free` have a quota of the day, counted by the account."),
    ),
    Provider(
        name="Groq", url="https://api.groq.com/openai/v1",
        model="meta-llama/llama-4-scout-17b-16e-instruct", path="/openai/v1", system="text",
        source="https://console.groq.com/docs/rate-limits, "
               "https://github.com/continuedev/continue/issues/10920 (2026-02-28)",
        key_variable="GROQ_API_KEY", wrong_key=Answer(401, _openai("Invalid API Key",
                                                                   "invalid_api_key")),
        unknown_model=_NO_SUCH_MODEL,
        rate_limit=Answer(429, {"error": {
            "message": "Rate limit reached for model `m` on tokens per day (TPD): Limit 500000, "
                       "Used 499000, Requested 3619. Please try again in 7h12m0s.",
            "type": "tokens", "code": "rate_limit_exceeded"}}),
        wait=25_920, refusal=None,
        notes=("Takes the system message as text alone, which is how it is sent.",
               "Tokens are counted by the minute and by the day; a day's limit names the time."),
    ),
    Provider(
        name="Mistral", url="https://api.mistral.ai/v1", model="pixtral-12b-latest",
        source="https://docs.mistral.ai/api, "
               "https://github.com/OpenWhispr/openwhispr/issues/844 (2026-05-23)",
        key_variable="MISTRAL_API_KEY", cut="model_length",
        refuses={"seed": Answer(422, {"object": "error", "message": {"detail": [
            {"type": "extra_forbidden", "loc": ["body", "seed"],
             "msg": "Extra inputs are not permitted"}]}, "type": "invalid_request_error"})},
        wrong_key=Answer(401, {"detail": "Unauthorized"}),
        unknown_model=Answer(400, {"object": "error", "message": "Invalid model: nope",
                                   "type": "invalid_model", "code": "1500"}),
        rate_limit=Answer(429, {"object": "error", "message": "Requests rate limit exceeded",
                                "type": "rate_limited", "code": "1300"},
                          {"ratelimitbysize-reset": "31"}),
        wait=31, refusal=None,
        notes=(("Knows no field beyond its own: `seed` is `random_seed` there "
               "(`--body random_seed=7`)."),),
    ),
    Provider(
        name="xAI (Grok)", url="https://api.x.ai/v1", model="grok-4",
        source="https://docs.x.ai/docs/api-reference, "
               "https://github.com/miaoxworld/NativeTavern/issues/83 (2026-09-15)",
        key_variable="XAI_API_KEY",
        refuses={"frequency_penalty": Answer(400, {
            "code": "Client specified an invalid argument",
            "error": "Argument not supported on this model: frequencyPenalty"})},
        wrong_key=Answer(400, {"code": "Client specified an invalid argument",
                               "error": "Incorrect API key provided: sk***ng."}),
        unknown_model=Answer(404, {"code": "Some requested entity was not found",
                                   "error": "The model nope does not exist or your team does not "
                                            "have access to it."}),
        rate_limit=Answer(429, {"code": "Some resource has been exhausted",
                                "error": "Too many requests. Please slow down."}),
        refusal=Answer(403, {"code": "The caller does not have permission", "error": "Content "
                             "violates usage guidelines: violates our content policy."}),
        notes=("Reasoning models take no penalties: a re-ask's own is taken back.",
               "A wrong key is HTTP 400."),
    ),
    Provider(
        name="Together", url="https://api.together.xyz/v1",
        model="meta-llama/Llama-4-Scout-17B-16E-Instruct", good="eos",
        source="https://docs.together.ai/docs/error-codes, "
               "https://github.com/can1357/oh-my-pi/pull/8333 (2026-08-12)",
        key_variable="TOGETHER_API_KEY",
        wrong_key=Answer(401, _openai("Invalid API key provided. You can find your API key at "
                                      "https://api.together.xyz/settings/api-keys.",
                                      "invalid_api_key")),
        unknown_model=Answer(404, _openai("Unable to access model nope. Please visit "
                                          "https://api.together.ai/models to see the supported "
                                          "models.", "model_not_available")),
        rate_limit=Answer(429, {"error": {"message": "You have been rate limited.",
                                          "type": "rate_limit"}}, {"x-ratelimit-reset": "3"}),
        wait=3, refusal=None,
        notes=("Ends a whole answer with the finish reason `eos`.",),
    ),
    Provider(
        name="Hugging Face router", url="https://router.huggingface.co/v1",
        model="Qwen/Qwen3-VL-8B-Instruct",
        source="https://huggingface.co/docs/inference-providers, "
               "https://github.com/cline/cline/issues/5098 (2026-01-12)",
        key_variable="HF_TOKEN",
        wrong_key=Answer(401, {"error": "Invalid username or password."}),
        unknown_model=Answer(400, _openai("The requested model 'nope' is not supported by any "
                                          "provider you have enabled.", "model_not_supported")),
        rate_limit=Answer(429, {"error": "Too Many Requests"}, {"retry-after": "5"}), wait=5,
        refusal=None,
        notes=("Routes to other providers, whose errors come through.",),
    ),
    Provider(
        name="LiteLLM proxy", url="http://localhost:4000/v1", model="qwen-vl", key_variable="",
        source="https://docs.litellm.ai/docs/proxy/quick_start, "
               "https://github.com/BerriAI/litellm/pull/16231 (2025-11-04)",
        wrong_key=Answer(401, {"error": {"message": "Authentication Error, Invalid proxy server "
                               "token passed", "type": "auth_error", "param": "None",
                               "code": "401"}}),
        unknown_model=Answer(400, {"error": {"message": "/chat/completions: Invalid model name "
                             "passed in model=nope. Call `/v1/models` to view available models for "
                             "your key.", "type": "None", "param": "None", "code": "400"}}),
        rate_limit=Answer(429, {"error": {"message": "No deployments available for selected model, "
                                "Try again in 5 seconds.", "type": "None", "code": "429"}}),
        wait=5,
        refusal=Answer(400, {"error": {"message": "litellm.ContentPolicyViolationError: The "
                             "response was filtered due to the prompt triggering Azure OpenAI's "
                             "content management policy.", "code": "400"}}),
        notes=("The message names what `/models` offers where the model is unknown.",),
    ),
    Provider(
        name="vLLM", url="http://localhost:8000/v1", model="Qwen/Qwen2.5-VL-7B-Instruct",
        key_variable="",
        source="https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html, "
               "https://github.com/studio-dots-ai/dots.ocr/issues/26 (2025-08-04)",
        wrong_key=Answer(401, {"error": "Unauthorized"}), unknown_model=_VLLM_MODEL,
        rate_limit=Answer(503, {"error": "Service Unavailable"}), refusal=None, cut="abort",
        notes=(("`--body chat_template_kwargs.enable_thinking=false` turns a hybrid model's "
               "thoughts off; or start it without `--reasoning-parser`."),
               "Needs a key only where it was started with `--api-key`."),
    ),
    Provider(
        name="SGLang", url="http://localhost:30000/v1", model="Qwen/Qwen2.5-VL-7B-Instruct",
        key_variable="",
        source="https://docs.sglang.ai/basic_usage/openai_api_vision.html, "
               "https://github.com/sgl-project/sglang/issues/25127 (2026-05-13)",
        wrong_key=Answer(401, {"error": "Unauthorized"}), unknown_model=None,
        rate_limit=Answer(503, {"object": "error", "message": "The request queue is full.",
                                "type": "service_unavailable", "code": 503}),
        refusal=None, cut="abort",
        notes=("Answers under any model's name.",),
    ),
    Provider(
        name="LMDeploy", url="http://localhost:23333/v1", model="OpenGVLab/InternVL3-8B",
        key_variable="",
        source="https://lmdeploy.readthedocs.io/en/latest/llm/api_server.html",
        wrong_key=Answer(401, {"detail": {"error": {"message": "Please request with valid api "
                               "key!", "type": "invalid_request_error", "param": None,
                               "code": "invalid_api_key"}}}),
        unknown_model=Answer(404, {"object": "error", "message": "The model 'nope' does not "
                                   "exist.", "type": "invalid_request_error", "code": 404}),
        rate_limit=Answer(503, {"message": "The server is busy", "code": 503}), refusal=None,
        notes=("Needs a key only where it was started with `--api-keys`.",),
    ),
    Provider(
        name="llama.cpp server", url="http://localhost:8080/v1", model="gemma-3-4b-it",
        key_variable="",
        source="https://github.com/ggml-org/llama.cpp/issues/15377 (2025-08-17)",
        wrong_key=Answer(401, {"error": {"message": "Invalid API Key", "type":
                               "authentication_error", "code": 401}}),
        unknown_model=None,
        rate_limit=Answer(503, {"error": {"message": "Loading model", "type":
                                          "unavailable_error", "code": 503}}),
        refusal=None,
        notes=("Sees pictures only where it was started with `--mmproj`.",
               "Answers under any model's name."),
    ),
    Provider(
        name="Ollama", url="http://localhost:11434/v1", model="qwen2.5vl:7b", key_variable="",
        source="https://docs.ollama.com/api/openai-compatibility, "
               "https://github.com/ollama/ollama/issues/17301 (2026-09-10)",
        wrong_key=None,
        unknown_model=Answer(404, {"error": {"message": "model \"nope\" not found, try pulling it "
                                             "first", "type": "api_error"}}),
        rate_limit=Answer(503, {"error": {"message": "server busy, please try again.  maximum "
                                          "pending requests exceeded", "type": "api_error"}}),
        refusal=None,
        notes=("Wants no key.", "`ollama pull MODEL` first."),
    ),
    Provider(
        name="LM Studio", url="http://localhost:1234/v1", model="gemma-3-4b-it", key_variable="",
        source="https://lmstudio.ai/docs/app/api/endpoints/openai, "
               "https://github.com/lmstudio-ai/lms/issues/362 (2025-10-30)",
        wrong_key=None,
        unknown_model=Answer(404, {"error": {"message": "Model nope not found. Please load it "
                                             "first.", "type": "invalid_request_error",
                                             "code": "model_not_found"}}),
        rate_limit=Answer(503, {"error": "The model is busy."}), refusal=None,
        notes=(("Answers a wrong path, and a model without eyes, with status 200 and an error in "
               "the body; both stop the run."),),
    ),
)  # fmt: skip
