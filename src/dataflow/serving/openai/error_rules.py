"""What a server complains of → the error that says who must act.

One table, `ERROR_RULES`, read from above: the first rule that fits names the error. The words are
those of OpenAI, Azure, DashScope, OpenRouter, Gemini, Moonshot, Groq, LiteLLM, vLLM, LM Studio,
Ollama and llama.cpp. What no rule knows is the row's fault (4xx) or time's (5xx); where every row
gets it, the run stops all the same (`engine/flow`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from dataflow.core.errors import (
    AccountPolicyError,
    DataflowError,
    NoVisionError,
    OutOfMoneyError,
    OverloadedError,
    ParameterError,
    PictureError,
    ProxyError,
    RateLimitedError,
    RefusedError,
    TooLongError,
    UnknownModelError,
    WrongAddressError,
    WrongKeyError,
)
from dataflow.core.secrets import redact


@dataclass(frozen=True, slots=True)
class ApiError:
    """A server's error, as it stands in the reply's body.

    Attributes:
        words: Its codes and types, in lower case, with a space at both ends and between them.
        message: Its own prose.
        status: The HTTP status that the body itself names, if it does.
        param: The parameter that it names, as ``"temperature"`` or ``"messages[0].role"``.
        body: The whole JSON value, for what else stands in it.
    """

    words: str
    message: str
    status: int | None = None
    param: str = ""
    body: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Take out secrets that the server repeats."""
        for name in ("words", "message", "param"):
            object.__setattr__(self, name, redact(getattr(self, name)))


class ErrorRule(NamedTuple):
    """One line of the table.

    Attributes:
        error: What it means.
        statuses: The HTTP statuses to which it applies; None for all.
        words: Looked for among the error's codes and types; None for nothing.
        message: Looked for in its prose; None for nothing.
        cure: What a person can do, for the message.
    """

    error: type[DataflowError]
    statuses: frozenset[int] | None
    words: re.Pattern[str] | None
    message: re.Pattern[str] | None
    cure: str = ""

    def matches(self, status: int, error: ApiError) -> bool:
        """Whether the rule knows this error."""
        if self.statuses is not None and status not in self.statuses:
            return False
        if self.words is None and self.message is None:
            return True
        return self.matches_codes(error) or bool(
            self.message and self.message.search(error.message[:4000])
        )

    def matches_codes(self, error: ApiError) -> bool:
        """Whether the server's own codes say so, and not only its prose."""
        return bool(self.words and self.words.search(error.words))


def _rule(
    error: type[DataflowError],
    *statuses: int,
    words: str = "",
    message: str = "",
    cure: str = "",
) -> ErrorRule:
    return ErrorRule(
        error,
        frozenset(statuses) or None,
        re.compile(words) if words else None,
        re.compile(message, re.IGNORECASE) if message else None,
        cure,
    )


_TOP_UP = "top up the account, then run the same command again"
_KEY = "is the key right, and is it the one of this server?"
_BAD_REQUEST = (400, 403, 404, 405, 415, 422, 500, 501)

ERROR_RULES = (
    _rule(
        RefusedError,
        400, 403, 406, 421, 422, 451, 500,
        words=r"content_policy|content_filter|sensitive_content|risk_detection|censorship"
        r"|responsibleaipolicy|data_?inspection_?failed"
        r"|content_moderation|safety_violation|sensitive_content|moderation_blocked"
        r"|image_content_policy|prohibited_content| content_blocked",
        message=r"\b(input|prompt|image|content|request) was (flagged|rejected)"
        r"|flagged as potentially violating|inappropriate content|content management policy"
        r"|(blocked|rejected) (by|due to|as a result of) (the |our |your |a )?(content|safety)"
        r"|violat\w+ ((our|the|your|its|any|\w+'s) )?(usage|content|safety|acceptable|community)"
        r"|safety[_ ](system|check)|不安全或敏感"
        r"|may contain (severe|sensitive|inappropriate|risk)|(new_sensitive|content audit)"
        r"|content .{0,40}(is|was) blocked",
    ),
    _rule(ProxyError, 407, cure="set the proxy's user name and password in HTTPS_PROXY"),
    _rule(OutOfMoneyError, 402, cure=_TOP_UP),
    # DashScope sends insufficient_quota also for the tokens of one minute.
    _rule(RateLimitedError, 429, message=r"allocated quota exceeded"),
    _rule(
        OutOfMoneyError,
        400, 401, 403, 429,
        words=r" insufficient_(quota|balance|funds|credits?)| arrearage | billing_|freetieronly"
        r"| exceeded_current_quota| credit_?(balance|limit)| payment_required"
        r"| insufficient_user_quota"
        r"|account_overdue| resource_?pack_?exhausted| set_limit_exceeded",
        message=r"insufficient (balance|credits?|funds)|credit balance is too low"
        r"|account is in good standing|(out of|no|any|not enough) credits?\b|(余额|额度)不足|欠费"
        r"|请充值"
        r"|balance is (insufficient|too low|negative)|overdue (balance|payment)|额度失败|用尽.*购买"
        r"|reached .{0,40}(usage|inference) limit|credits? (has |have |are "
        r"|were )?(been )?(expired|run out|depleted|exhausted|used up)"
        r"|billing (hard )?limit|exceeded your monthly included credits|used all available credits"
        r"|spending limit",
        cure=_TOP_UP,
    ),
    _rule(RateLimitedError, 420, 429),
    _rule(
        RateLimitedError,
        400, 403, 503,
        words=r"throttl|rate_?limit_?exceeded|request_limit_exceeded|too_many_requests"
        r"|quota_?(reached|exceeded)",
        message=r"quota will be (replenished|renewed|reset)|^rate exceeded$"
        r"|quota (was |is |has been )?(reached|exceeded|exhausted)|(rate|request) limit exceeded",
    ),
    _rule(
        AccountPolicyError,
        400, 401, 403, 404, 451,
        words=r" unsupported_country| model_not_open| account_deactivated"
        r"| organization_(restricted|not_verified)"
        r"| gated_| terms_required| access_terminated",
        message=r"data policy|guardrail restrictions|(country|region|territory|location).{0,40}"
        r"not (supported|available)|organization must be verified|must be verified to"
        r"|zero.data.retention|accept (the|its) (terms|license|conditions)|terms (of service )?must"
        r"|account (has been|is|was) (deactivated|suspended|disabled|restricted)"
        r"|gated (repo|model)|real.?name (authentication|verification)|实名|not activated the model"
        r"|api has not been used in project|bind your .{0,30}account|agree to (the|its)"
        r"|requires? (a |an )?(paid|pro|enterprise) (plan"
        r"|tier)",
        cure="change the account's settings or agree to the terms, then run the same command again",
    ),
    _rule(
        NoVisionError,
        *_BAD_REQUEST,
        words=r" image_?(input)?_?not_?supported| unsupported_modality",
        message=r"\b(image|vision|picture|multi-?modal)s?[ _]?(input|content|modalit|understanding"
        r"|url|support)?"
        r"\w{0,3}[`'\"]?( (content )?(type|part))?( (is|are|was|were))? ?((not|n't) (currently )?"
        r"(supported|enabled|allowed|available)|unsupported|disabled)"
        r"|不支持(图片|图像|视觉|多模态)"
        r"|at most 0 image|not a (vlm|vision.language model)|not a multimodal model"
        r"|multimodal.{0,30}not (supported|enabled)"
        r"|image_url is only supported by certain models|unknown variant `?image_url"
        r"|(not|n't) (accept|support|have) (any )?(image|vision|visual|multi-?modal|picture)"
        r"|no (endpoint|model|provider)s?.{0,40}support.{0,20}image|invalid (value|content type"
        r"|type).{0,12}image_url"
        r"|(unknown|unsupported|unexpected) (part|content|message).{0,20}(type)?.{0,12}image"
        r"|input should be 'text'|cannot unmarshal array into .{0,80} of type string"
        r"|not compiled for multimodal|(model|multimodal) projector"
        r"|vision (add-on|adapter|model|encoder).{0,20}not"
        r"|missing (data required for image input|multimodal projector)|mmproj|text.only model"
        r"|model is text.only"
        r"|only supports? text|no (vision|image) (support|capabilit)|cannot (see|read"
        r"|process) images"
        r"|content.{0,40}(must be|expected|should be) (of type |a |an )*(valid )?(string|str"
        r"|text)\b",
        cure="the model cannot see pictures as it is served: choose one that can",
    ),
    _rule(
        ParameterError,
        400, 404,
        message=r"no endpoints? found that (can handle|support).{0,30}param",
        cure="leave the parameters out that no provider takes, or allow it with --drop-params",
    ),
    _rule(
        UnknownModelError,
        400, 401, 403, 404, 422, 500, 503,
        words=r"model_?not_?found|unknown_model|invalid_model|model_not_exist|deploymentnotfound"
        r"|model_not_available|model_decommissioned| model_not_supported| nosuchmodel"
        r"|model_terms",
        message=r"\bmodel\b['\"`\s:]{0,3}[\w./:@-]{0,200}['\"`\s]{0,3}(is |does |was )?not "
        r"(exist|found|available|supported|loaded|recognized|deployed|a valid)"
        r"|is not a valid model|no such model|(unknown|invalid|unsupported) model"
        r"|model name.{0,40}(invalid|not)|no (models?|deployments?|endpoints?|providers?|channels?)"
        r" (are |is )?(found|available|loaded)|no available (channel|model|deployment)"
        r"|(model|deployment)\b.{0,120}(has been (decommissioned|deprecated|retired|removed)"
        r"|is no longer|does(n't| not) exist|not found|try pulling)|deployment for this resource"
        r"|incorrect model id|无可用渠道|endpoint with name .{0,200} does not exist|(no"
        r"|n't have) access to the model with"
        r"|models?/\S{1,200} (is )?not found|^model: \S{1,200}$"
        r"|llm provider not provided|模型不存在",
        cure="is the model's name right at this server?",
    ),
    _rule(
        WrongKeyError,
        401,
        message=r"subscription key|\bapi-key header|ocp-apim",
        cure=f"{_KEY} Azure takes it in a header of its own: --key-header api-key",
    ),
    _rule(
        WrongKeyError,
        400, 401, 403,
        words=r" (invalid|incorrect|expired|revoked)_?(api)?_?key | invalid_authentication"
        r"| token_expired| no_auth",
        message=r"(invalid|incorrect|wrong|expired|missing) (api|authentication|subscription"
        r"|access)?"
        r" ?(key|token)\b|api key (is )?(not valid|invalid|expired|missing|required)"
        r"|(no|missing) (api key|auth|authorization|cookie auth)|secret ?id is not found"
        r"|auth failed",
        cure=_KEY,
    ),
    _rule(
        AccountPolicyError,
        403,
        message=r"attention required|you have been blocked|web application firewall|captcha"
        r"|just a moment|request blocked",
        cure="a firewall before the server turns this machine down: ask the server's owner, or go "
        "there another way",
    ),
    _rule(WrongKeyError, 401, 403, cure=_KEY),
    _rule(TooLongError, 413),
    _rule(
        TooLongError,
        400, 422, 500, 503,
        words=r"context_length|exceed_context|context_window|string_above_max_length"
        r"| input_too_long| prompt_too_long",
        message=r"maximum context length|maximum model length|model's context length"
        r"|available context size|(prompt|input|request) is too (long|large)|range of input length"
        r"|input token count .{0,40}exceeds|context (window|length|size).{0,40}(exceed|too)"
        r"|exceed\w*.{0,40}context|too many (input )?tokens|maximum prompt length|超长"
        r"|\btoken limit\b"
        r"|token (count|length) exceeds|prompt.{0,60}too long|max(imum)? length of current question"
        r"|`inputs` tokens|longer than the (model|context"
        r"|maximum)",
    ),
    _rule(
        PictureError,
        400, 404, 415, 422, 500,
        words=r" (invalid|unsupported|empty|corrupt)_(base64_)?image| image_(parse|too_(large"
        r"|small))"
        r"|unsupported_image| invalid_base64| image_decode",
        message=r"(failed|unable|could not|cannot|can't) (to )?(load|decode|process|download"
        r"|identify"
        r"|open|parse|read) (the |an? |this |your )?(provided |input )*(image|media|picture)"
        r"|(invalid|unsupported|corrupt(ed)?) (base64 )?image|(uploaded|provided) an (un"
        r"|in)\w+ image"
        r"|image (data|format|file|size|dimensions?) .{0,20}(is |are )?(invalid|illegal|unsupported"
        r"|not|too|exceed|must)|image length and width do not meet|absolute aspect ratio"
        r"|image dimensions.{0,30}(below|above|outside)|bytes per data-uri|(image|width|height"
        r"|aspect).{0,40}(must be (at least|larger|less"
        r"|smaller|between)|too (large|small))|cannot identify image|broken data stream"
        r"|image exceeds",
    ),
    _rule(
        ParameterError,
        400, 422,
        message=r"enable_thinking|thinking.{0,60}non.?stream",
        cure="turn thinking off with --body enable_thinking=false, or ask with --stream "
        "(in Python body={'enable_thinking': False} or stream=True)",
    ),
    _rule(
        WrongAddressError,
        200, 400, 404, 405, 501,
        message=r"unexpected endpoint|unknown (request )?(endpoint|route|path|url)\b"
        r"|no (such )?(route|handler|endpoint)\b|cannot (post|get) /|invalid url \("
        r"|(path|route|page|url) (was )?not found|unrecognized request url|resource not found",
    ),
    _rule(WrongAddressError, 404, 405),
    _rule(
        WrongAddressError,
        400,
        message=r"http request (was sent )?to (an )?https (server|port)",
        cure="try https://",
    ),
    _rule(
        WrongAddressError,
        421, 426,
    ),
    _rule(
        ParameterError,
        400, 422, 500, 501,
        words=r" invalid_json_schema| unsupported_response_format",
        message=r"response_format|json[_ ]schema|structured[_ ]output|guided_json"
        r"|(parse|compile|invalid|bad) grammar|grammar error",
        cure="ask with another schema, or tell it in the question: --schema-as prompt "
        '(in Python schema_as="prompt")',
    ),
    # 498: Groq's flex tier is full; 499: a proxy gave up on the server behind it
    _rule(OverloadedError, 408, 409, 425, 498, 499),
)  # fmt: skip
