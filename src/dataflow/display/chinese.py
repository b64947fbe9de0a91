"""Chinese for what the command line shows most; English is the source, and stands where none is."""

from __future__ import annotations

import re

LABELS = {
    "rows": "行数",
    "captioned": "已生成描述",
    "open": "尚未处理",
    "not asked again": "沿用已有答案",
    "asked again": "重新询问",
    "requests": "请求数",
    "time": "用时",
    "tokens": "token 数",
    "cost": "费用",
    "speed": "速度",
    "output": "输出文件",
    "errors": "错误文件",
    "dropped": "已丢弃",
    "left as they are": "保持原样",
    "passed over": "已跳过",
}
"""The labels of a summary's rows."""

_PREFIXES = {"flagged: ": "有疑点：", "failed: ": "失败：", "left out: ": "未读取："}

PHRASES = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        (r"^([\d,]+) of ([\d,]+) captions$", r"\1（共 \2 条）"),
        (r"([\d,]+) read\b", r"读入 \1"),
        (r"([\d,]+) cached\b", r"缓存 \1"),
        (r"([\d,]+) written\b", r"生成 \1"),
        (r"^([\d,]+) rows, because a caption was rejected$", r"\1 行（描述未通过检查）"),
        (r"([\d.]+) asks a caption", r"平均每条询问 \1 次"),
        (r"^not known: the server reported no tokens.*", "未知：服务器没有报告 token 数"),
        (r"^not known: ", "未知："),
        (r"^not reported by the server$", "服务器未报告"),
        (
            r"^Next: read (.+), mend what it names, and run the same command again\.$",
            r"下一步：查看 \1，修正其中列出的问题，再运行同一条命令。",
        ),
        (
            r"^Next: look at the flagged captions in (.+); `dataflow check --fix` asks again\.$",
            r"下一步：查看 \1 中有疑点的描述；dataflow check --fix 可重新询问。",
        ),
        (
            r"^What is done is kept\. To resume, run the same command again(.*)\.$",
            r"已完成的结果都已保存。再运行同一条命令即可继续\1。",
        ),
        (
            r"^Stopped; every answer is kept\. To resume, run the same command again(.*)\.$",
            r"已停止；所有答案都已保存。再运行同一条命令即可继续\1。",
        ),
        (r" without (--\w+)", r"（去掉 \1）"),
    )
)
"""What stands in a summary's values and closing sentences."""

KINDS = {
    "wrong_key": "服务器不接受 API 密钥，或没有设置密钥。请设置正确的密钥（环境变量 DF_API_KEY，"
    "或 --key-env、--key-file）。",
    "unknown_model": "找不到这个模型。请检查 --model 的名称；服务器有哪些模型见上文。",
    "unreachable": "该地址没有服务器响应。请启动服务器，或检查 --api-url。",
    "wrong_address": "该地址有响应，但不是 API。请填写 API 的地址，多数以 /v1 结尾。",
    "no_money": "账户余额不足。请充值后再运行同一条命令。",
    "quota": "配额要过较长时间才恢复。请到时再运行，或用 --give-up-after 允许等待。",
    "rate_limited": "请求过快，被服务器限流。程序会自动重试；可减小 --concurrency。",
    "no_vision": "该模型不能看图。请换用视觉语言模型，或为服务器配置 mmproj。",
    "missing_package": "缺少可选的软件包。请运行上文给出的安装命令。",
    "limit": "已达到费用或 token 上限。再运行一次会使用新的额度，也可提高上限。",
    "input": "数据集无法读取。请按上文指出的文件和位置修正。",
    "output": "无法写入输出。请检查文件夹权限和剩余空间。",
    "usage": "命令有误。请按上文修改。",
    "engine_failed": "本地引擎无法启动或反复退出。请查看上文中引擎给出的原因。",
    "fault_alarm": "最近的答案几乎都有同一种问题，说明模型或服务器异常。请修复后再运行，或用 "
    "--fault-alarm off 关闭此检查。",
    "parameter": "模型不接受您给出的某个参数。请去掉或修改它，或使用 --drop-params。",
    "proxy": "代理无法使用。请检查 HTTPS_PROXY，或把服务器加入 NO_PROXY。",
    "account_policy": "账户设置、地区或服务条款不允许这些请求。请修改设置或同意条款。",
    "nothing_captioned": "所有行都失败了。请按上文修正后再运行。",
    "journal": "日志文件无法打开或写入。请腾出空间，或换一个可写的文件夹。",
    "picture_missing": "图片不存在。请把文件放到该位置，或修正路径、网址。",
    "picture": "图片无法打开或解码。请修复或替换。",
    "picture_too_large": "图片超过大小限制。请缩小图片，或提高上文指出的限制。",
    "picture_too_slow": "图片读取或下载超时。请再运行一次。",
    "picture_forbidden": "图片地址不允许访问。若信任数据，可用 --allow-private-urls 或另设 "
    "--image-root。",
    "bad_row": "该行没有图片，或对话格式无法识别。请修正该行。",
    "refused": "模型或服务商拒绝回答。请换提示词或模型，再用 --retry-failed。",
    "refusal": "答案是拒绝语，不是描述。请换提示词或模型，再用 --retry-failed。",
    "empty": "模型没有给出文字。请增大 --max-tokens 或换提示词，再用 --retry-failed。",
    "cut_off": "答案没有说完。请增大 --max-tokens，再用 --retry-failed。",
    "loop": "答案不断重复。请换提示词或模型，再用 --retry-failed。",
    "too_long": "请求超过模型的上下文长度。请减小 --max-side，或换上下文更长的模型。",
    "timeout": "超时，没有收到完整答案。请减小 --concurrency 或 --max-tokens。",
    "connection": "连接中断。程序会自动重试；若持续出现，请检查网络。",
    "overloaded": "服务器暂时繁忙。程序会自动重试。",
    "garbled_reply": "服务器的回复不是预期格式。请确认地址是 API 而不是网页或代理。",
    "bad_request": "服务器不接受这一行的请求。请看服务器给出的原因。",
    "reasoning_only": "模型只输出了思考过程。请关闭思考（--body enable_thinking=false）。",
}
"""What each kind of error means and what helps."""


def label(text: str) -> str:
    """A row's label."""
    for prefix, words in _PREFIXES.items():
        if text.startswith(prefix):
            return words + text.removeprefix(prefix)
    return LABELS.get(text, text)


def value(text: str) -> str:
    """A row's value, or a closing sentence, with the phrases that are known in Chinese."""
    for pattern, words in PHRASES:
        text = pattern.sub(words, text)
    return text
