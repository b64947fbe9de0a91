"""litellm's `batch_completion`: threads, and every request in memory at once. Nothing is decoded.

python peer_litellm.py ROWS OUTPUT --api-url URL --concurrency 64
"""

from __future__ import annotations

import argparse
import base64
import json
from pathlib import Path
from typing import Any

import litellm


def main() -> None:
    """Run as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--api-url", required=True)
    parser.add_argument("--model", default="stub")
    parser.add_argument("--concurrency", type=int, default=64)
    options = parser.parse_args()
    folder = options.rows.parent

    def asked(row: dict[str, Any]) -> list[dict[str, Any]]:
        data = base64.b64encode((folder / row["image"]).read_bytes()).decode()
        content = [
            {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{data}"}},
            {"type": "text", "text": row["conversation"][0]["value"]},
        ]
        return [{"role": "user", "content": content}]

    rows = [json.loads(line) for line in options.rows.read_text().splitlines()]
    answers = litellm.batch_completion(
        model=f"openai/{options.model}",
        messages=[asked(row) for row in rows],
        api_base=options.api_url,
        api_key="none",
        max_workers=options.concurrency,
    )
    with options.output.open("w") as file:
        for row, answer in zip(rows, answers, strict=True):
            text = answer.choices[0].message.content
            file.write(json.dumps({**row, "caption": text}) + "\n")


if __name__ == "__main__":
    main()
