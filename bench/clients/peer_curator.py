"""Bespoke Labs' curator: its class for a model behind an API of OpenAI's kind. Nothing is decoded.

python peer_curator.py ROWS OUTPUT --api-url URL --concurrency 64
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import tempfile
from pathlib import Path
from typing import Any


def main() -> None:
    """Run as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--api-url", required=True)
    parser.add_argument("--model", default="stub")
    parser.add_argument("--concurrency", type=int, default=64)
    options = parser.parse_args()
    rows = [json.loads(line) for line in options.rows.read_text().splitlines()]
    with tempfile.TemporaryDirectory() as cache:
        os.environ |= {
            "CURATOR_CACHE_DIR": cache,
            "CURATOR_DISABLE_RICH_DISPLAY": "1",
            "OPENAI_API_KEY": "none",
            "TELEMETRY_ENABLED": "false",
            "TIKTOKEN_CACHE_DIR": str(vocabulary()),
        }
        texts = captions(rows, options)
    with options.output.open("w") as file:
        for number, row in enumerate(rows):
            file.write(json.dumps({**row, "caption": texts[number]}) + "\n")


def vocabulary() -> Path:
    """Where the tokenizer lies that it counts with, which would else be fetched from afar."""
    found = importlib.util.find_spec("litellm")
    if found is None or found.origin is None:
        raise RuntimeError("litellm is missing, which curator comes with")
    return Path(found.origin).parent / "litellm_core_utils" / "tokenizers"


def captions(rows: list[dict[str, Any]], options: argparse.Namespace) -> dict[int, str]:
    """Each row's, by its place."""
    from bespokelabs import curator  # reads its variables when it is imported

    folder = options.rows.parent

    class Captioner(curator.LLM):
        def prompt(self, input: dict[str, Any]) -> Any:  # noqa: A002 - its name there
            picture = curator.types.Image(url=str(folder / input["image"]))
            return input["question"], picture

        def parse(self, input: dict[str, Any], response: str) -> Any:  # noqa: A002
            return {"number": input["number"], "caption": response}

    asked = [
        {
            "number": number,
            "image": row["image"],
            "question": row["conversation"][0]["value"],
        }
        for number, row in enumerate(rows)
    ]
    unbound = 10**9
    captioner = Captioner(
        model_name=options.model,
        backend="openai",
        backend_params={
            "base_url": options.api_url,
            "max_requests_per_minute": unbound,
            "max_tokens_per_minute": unbound,
            "max_concurrent_requests": options.concurrency,
        },
    )
    found = captioner(asked)
    dataset = getattr(found, "dataset", found)
    return dict(zip(dataset["number"], dataset["caption"], strict=True))


if __name__ == "__main__":
    main()
