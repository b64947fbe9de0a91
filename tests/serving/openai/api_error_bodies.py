"""Errors as providers and servers really sent them, collected from their trackers and pages.

Each is (where it was seen, HTTP status, body, what it comes to). Names of organisations and request
ids are left out. The outcomes: an error's class; ``MENDS`` where the request is put another way and
asked again at once. What fails as a bad request stops the run where the first rows all get it.
"""

from __future__ import annotations

from typing import Any

from dataflow.core import errors

MENDS = "mends itself"
GITHUB = "https://github.com/"
OPENAI = "https://platform.openai.com/docs/guides/error-codes"
OPENROUTER = "https://openrouter.ai/docs/api-reference/errors"
ANTHROPIC = "https://docs.anthropic.com/en/api/errors"


def _error(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, **more}}


def _openai(message: str, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    return _error(message, type="invalid_request_error", param=param, code=code)


_FILTERED = (
    "The response was filtered due to the prompt triggering Azure OpenAI's content management "
    "policy. Please modify your prompt and retry."
)
_GOOGLE_KEY = (
    '{\n  "error": {\n    "code": 400,\n    "message": "API key not valid. Please pass a valid API '
    'key.",\n    "status": "INVALID_ARGUMENT",\n    "details": [{"reason": "API_KEY_INVALID"}]}}'
)
_GOOGLE_LIMIT = (
    '{\n  "error": {\n    "code": 429,\n    "message": "Resource has been exhausted (e.g. check '
    'quota).",\n    "status": "RESOURCE_EXHAUSTED"\n  }\n}\n'
)
_UNSUPPORTED_IMAGE = (
    "You uploaded an unsupported image. Please make sure your image is below 20 MB in size and is "
    "of one the following formats: ['png', 'jpeg', 'gif', 'webp']."
)

Seen = tuple[str, int, Any, Any]

BODIES: tuple[Seen, ...] = (
    # --- the model or the server sees no pictures
    ("vllm-project/vllm/issues/11629", 400,
     _openai("Invalid content type. image_url is only supported by certain models.",
             param="messages.[0].content.[1].type"), errors.NoVisionError),
    ("thinking-machines-lab/tinker-feedback/issues/83", 422,
     {"detail": "Validation Error", "errors": [
         {"loc": "body -> messages -> 0 -> content -> list[TextContentPart] -> 0 -> type",
          "msg": "Input should be 'text'", "type": "literal_error"}]}, errors.NoVisionError),
    ("studio-dots-ai/dots.ocr/issues/26", 400,
     {"object": "error", "message": "Qwen/Qwen3-0.6B is not a multimodal model None",
      "type": "BadRequestError", "param": None, "code": 400}, errors.NoVisionError),
    ("ggml-org/llama.cpp/issues/13566", 500,
     _error("image input is not supported by this server", code=500, type="server_error"),
     errors.NoVisionError),
    ("ggml-org/llama.cpp/issues/15377", 500,
     _error("image input is not supported - hint: if this is unexpected, you may need to provide "
            "the mmproj", code=500, type="server_error"), errors.NoVisionError),
    ("mozilla-ai/llamafile/issues/298", 500,
     _error("The server was not compiled for multimodal or the model projector can't be loaded."),
     errors.NoVisionError),
    ("ollama/ollama/issues/17301", 400,
     {"error": "this model does not support image input (ref: b8bd630e)"}, errors.NoVisionError),
    ("BerriAI/litellm/issues/4515", 400,
     {"error": "json: cannot unmarshal array into Go struct field Message.messages.content of type "
               "string"}, errors.NoVisionError),
    ("lmstudio-ai/lmstudio-bug-tracker/issues/362", 400,
     {"error": "Model does not support images. Please use a model that does."},
     errors.NoVisionError),
    # --- parameters: ours are taken back, the user's stop the run
    ("appatalks/eva-agent/issues/83", 400,
     _openai("Unsupported parameter: 'temperature' is not supported with this model.",
             "unsupported_parameter", "temperature"), MENDS),
    ("microsoft/vscode/issues/282170", 400,
     _error("Unsupported parameter: 'top_p' is not supported with this model.",
            code="invalid_request_body"), MENDS),
    ("decolua/9router/issues/536", 400,
     _error("[400]: Unsupported parameter: 'temperature' is not supported with this model."),
     MENDS),
    ("mistralai/platform-docs-public/issues/7", 422,
     {"object": "error", "message": '{"detail":[{"type":"extra_forbidden","loc":["body",'
      '"frequency_penalty"],"msg":"Extra inputs are not permitted","input":0.0}]}',
      "type": "internal_error_proxy", "param": None, "code": "1000"}, MENDS),
    ("prism-php/prism/pull/813", 400,
     _error("Provider returned error", code=400, metadata={"raw": '{"error":{"message":"Invalid '
            "schema for response_format 'foo': In context=(), 'required' is required to be "
            'supplied","type":"invalid_request_error"}}', "provider_name": "OpenAI"}), MENDS),
    ("reVrost/go-openrouter/pull/21", 400,
     _error("Provider returned error", code=400, metadata={"raw": '{"error":{"message":"Response '
            "input messages must contain the word 'json' in some form to use 'text.format' of type "
            "'json_object'.\",\"param\":\"input\"}}", "provider_name": "OpenAI"}), MENDS),
    ("router-for-me/CLIProxyAPI/issues/1028", 400,
     {"detail": "Unsupported parameter: safety_identifier"}, errors.ParameterError),
    ("partITech/php-mistral/issues/76", 422,
     {"object": "Error", "detail": [{"type": "extra_forbidden", "loc": ["body", "tools"],
      "msg": "Extra inputs are not permitted", "input": []}], "type": "invalid_request_error",
      "code": 3001}, errors.ParameterError),
    ("yym68686/uni-api/issues/105", 400,
     {"code": "Client specified an invalid argument",
      "error": "Argument not supported on this model: presencePenalty"}, errors.ParameterError),
    ("lobehub/lobehub/issues/8381", 400,
     {"error": "Argument not supported on this model: presencePenalty",
      "endpoint": "https://api.x.ai/v1", "provider": "xai"}, errors.ParameterError),
    ("miaoxworld/NativeTavern/issues/83", 400,
     {"error": "Model grok-4.6 does not support parameter presencePenalty."},
     errors.ParameterError),
    ("NousResearch/hermes-agent/issues/23088", 400,
     {"error": "Model grok-4-1-fast does not support parameter reasoningEffort."},
     errors.ParameterError),
    # --- key, money, model, account
    ("harshitv804/LawGPT/issues/4", 401,
     _openai("Invalid API key provided. You can find your API key at https://api.together.xyz/"
             "settings/api-keys.", "invalid_api_key"), errors.WrongKeyError),
    ("expectedparrot/edsl/issues/918", 400,
     [{"error": {"code": 400, "message": "API key not valid. Please pass a valid API key.",
                 "status": "INVALID_ARGUMENT", "details": [{"reason": "API_KEY_INVALID"}]}}],
     errors.WrongKeyError),
    ("continuedev/continue/issues/10530", 400,
     _error(_GOOGLE_KEY, code=400, status="Bad Request"), errors.WrongKeyError),
    (OPENAI, 401, _openai("Incorrect API key provided: sk-...", "invalid_api_key"),
     errors.WrongKeyError),
    (OPENAI, 401, _openai("You must be a member of an organization to use the API"),
     errors.WrongKeyError),
    (OPENAI, 401, _openai("Your IP is not authorized to access this API"), errors.WrongKeyError),
    (OPENAI, 403, _openai("Country, region, or territory not supported",
                          "unsupported_country_region_territory"), errors.AccountPolicyError),
    (OPENAI, 429, _error("You exceeded your current quota, please check your plan and billing "
                         "details.", type="insufficient_quota", code="insufficient_quota"),
     errors.OutOfMoneyError),
    ("continuedev/continue/issues/9853", 402,
     _error("Insufficient Balance", type="unknown_error", code="invalid_request_error"),
     errors.OutOfMoneyError),
    ("anthropics/claude-code/issues/66297", 400,
     {"type": "error", "error": {"type": "invalid_request_error", "message": "Your credit balance "
      "is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase "
      "credits."}}, errors.OutOfMoneyError),
    (OPENROUTER, 402, _error("Insufficient credits. Add more using https://openrouter.ai/credits",
                             code=402), errors.OutOfMoneyError),
    ("BerriAI/litellm/issues/6343", 400,
     _error("litellm.BadRequestError: LLM Provider NOT provided. Pass in the LLM provider you are "
            "trying to call. You passed model=my-model", code="400", type=None, param=None),
     errors.UnknownModelError),
    ("forpublicai/platform.publicai.co/issues/6", 400,
     _error("{'error': '/chat/completions: Invalid model name passed in model=None. Call "
            "`/v1/models` to view available models for your key.'}", type="None", param="None",
            code="400"), errors.UnknownModelError),
    ("can1357/oh-my-pi/pull/8333", 400,
     _openai("Unable to access non-serverless model moonshotai/Kimi-K2.5.", "model_not_available"),
     errors.UnknownModelError),
    (OPENROUTER, 404, _error("No endpoints found for some/model.", code=404),
     errors.UnknownModelError),
    (OPENROUTER, 404, _error("No endpoints found matching your data policy. Configure: "
                             "https://openrouter.ai/settings/privacy", code=404),
     errors.AccountPolicyError),
    # --- limits and overload: time
    ("continuedev/continue/issues/10920", 429,
     _error("Rate limit reached for model `llama-3.3-70b-versatile` in organization `org` service "
            "tier `on_demand` on tokens per day (TPD): Limit 100000, Used 97050, Requested 3619. "
            "Please try again in 9m38.016s.", type="tokens", code="rate_limit_exceeded"),
     errors.RateLimitedError),
    ("danielmiessler/Fabric/issues/364", 429,
     _error("Rate limit reached for model `llama3-70b-8192` in organization `org` on tokens per "
            "minute (TPM): Limit 7000, Used 0, Requested ~12903. Please try again in "
            "50.597142857s.", type="tokens", code="rate_limit_exceeded"), errors.RateLimitedError),
    ("continuedev/continue/issues/10560", 429,
     _error(_GOOGLE_LIMIT, code=429, status="Too Many Requests"), errors.RateLimitedError),
    ("n4ze3m/page-assist/issues/406", 429,
     [{"error": {"code": 429, "message": "Resource has been exhausted (e.g. check quota).",
                 "status": "RESOURCE_EXHAUSTED"}}], errors.RateLimitedError),
    ("open-webui/computer/issues/293", 429,
     _error("Provider returned error", code=429, metadata={
         "raw": "z-ai/glm-5.3-flash is temporarily rate-limited upstream. Please retry shortly, or "
                "add your own key to accumulate your rate limits", "provider_name": "BaseTen"}),
     errors.RateLimitedError),
    (OPENAI, 429, _error("Rate limit reached for requests", type="requests",
                         code="rate_limit_exceeded"), errors.RateLimitedError),
    (OPENAI, 500, _error("The server had an error while processing your request",
                         type="server_error"), errors.OverloadedError),
    (OPENAI, 503, _error("The engine is currently overloaded, please try again later",
                         type="server_error"), errors.OverloadedError),
    (ANTHROPIC, 529, {"type": "error", "error": {"type": "overloaded_error",
                                                 "message": "Overloaded"}},
     errors.OverloadedError),
    (OPENROUTER, 502, _error("Provider returned error", code=502), errors.OverloadedError),
    ("lmstudio-ai/lmstudio-bug-tracker/issues/1755", 500,
     {"type": "error", "error": {"type": "api_error", "message": "The model has crashed without "
      "additional information. (Exit code: null)"}}, errors.OverloadedError),
    # --- the row: its picture, its content, its length
    ("jam3scampbell/ProctorAI/issues/7", 400, _openai(_UNSUPPORTED_IMAGE), errors.PictureError),
    ("CosmosShadow/gptpdf/issues/6", 400,
     _openai(_UNSUPPORTED_IMAGE, "sanitizer_server_error"), errors.PictureError),
    ("fpgaminer/joycaption/issues/48", 400,
     _error("Failed to load image or audio file", code=400, type="invalid_request_error"),
     errors.PictureError),
    (ANTHROPIC, 400, {"type": "error", "error": {"type": "invalid_request_error", "message":
     "messages.0.content.1.image.source.base64: image exceeds 5 MB maximum: 6012044 bytes > "
     "5242880 bytes"}}, errors.PictureError),
    ("compl-ai/compl-ai/issues/20", 400,
     _error(_FILTERED, type=None, param="prompt", code="content_filter", status=400,
            innererror={"code": "ResponsibleAIPolicyViolation"}), errors.RefusedError),
    ("BerriAI/litellm/pull/16231", 400,
     _error(f"litellm.BadRequestError: AzureException - {_FILTERED}", type=None, param=None,
            code="400"), errors.RefusedError),
    (OPENROUTER, 403, _error("some/model requires moderation on OpenAI. Your input was flagged for "
                             "\"violence\".", code=403, metadata={"reasons": ["violence"]}),
     errors.RefusedError),
    ("HunorLaczko/ha-groq-cloud-api/issues/27", 413,
     _error("Request too large for model `llama-3.1-8b-instant` in organization `org` service tier "
            "`on_demand` on tokens per minute (TPM): Limit 6000, Requested 12328, please reduce "
            "your message size and try again.", type="tokens", code="rate_limit_exceeded"),
     errors.TooLongError),
    (ANTHROPIC, 413, {"type": "error", "error": {"type": "request_too_large",
                      "message": "Request exceeds the maximum size"}}, errors.TooLongError),
    # --- rejections of the request that name nothing of ours
    ("diegosouzapw/OmniRoute/issues/3044", 400,
     _error("Provider returned error", code=400, metadata={
         "raw": '{"error":{"type":"invalid_request_error","message":"Model '
                '\'moonshotai/kimi-k2.6\' supports at most 1 image per prompt."}}',
         "provider_name": "Crucible"}),
     errors.BadRequestError),
    ("farion1231/cc-switch/issues/464", 400,
     _error("Provider returned error", code=400, metadata={
         "raw": '{"error":{"code":"400","message":"Param Incorrect","param":"messages[2] assistant '
                'content must contain at least one part","type":""}}',
         "provider_name": "Xiaomi"}), errors.BadRequestError),
    ("agentscope-ai/agentscope/issues/1295", 400,
     {"code": "InvalidParameter", "message": "url error, please check url！ For details, see: "
      "https://help.aliyun.com/zh/model-studio/error-code#error-url", "request_id": "x"},
     errors.BadRequestError),
    ("songquanpeng/one-api/issues/1698", 400,
     _error("url error, please check url！ (request id: 2024)", type="upstream_error", param="400",
            code="bad_response_status_code"), errors.BadRequestError),
    ("songquanpeng/one-api/issues/1290", 422,
     _error(" (request id: 2024)", type="upstream_error", param="422",
            code="bad_response_status_code"), errors.BadRequestError),
    ("1038lab/ComfyUI-QwenVL/issues/43", 400,
     _error("The model you are using does not support this request.", type="invalid_request"),
     errors.BadRequestError),
    ("nomtek/mistralai_client_dart/issues/44", 422,
     {"object": "error", "message": {"detail": [{"type": "extra_forbidden", "loc": ["body",
      "messages", 0, "user", "name"], "msg": "Extra inputs are not permitted"}]},
      "type": "invalid_request_error", "param": None, "code": None}, errors.BadRequestError),
    ("danny-avila/LibreChat/issues/1540", 422, "", errors.BadRequestError),
)  # fmt: skip
