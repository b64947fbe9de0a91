"""What most scripts do: the openai client in a thread pool. Nothing is decoded, nothing kept.

python plain_openai.py ROWS OUTPUT --api-url URL --concurrency 64
"""

from __future__ import annotations

import argparse
import base64
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai


def main() -> None:
    """Run as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--api-url", required=True)
    parser.add_argument("--model", default="stub")
    parser.add_argument("--concurrency", type=int, default=64)
    options = parser.parse_args()
    client = openai.OpenAI(base_url=options.api_url, api_key="none")
    folder = options.rows.parent

    def caption(row: dict[str, Any]) -> str | None:
        data = base64.b64encode((folder / row["image"]).read_bytes()).decode()
        url = {"url": f"data:image/jpeg;base64,{data}"}
        content: Any = [
            {"type": "image_url", "image_url": url},
            {"type": "text", "text": row["conversation"][0]["value"]},
        ]
        reply = client.chat.completions.create(
            model=options.model, messages=[{"role": "user", "content": content}]
        )
        return reply.choices[0].message.content

    rows = [json.loads(line) for line in options.rows.read_text().splitlines()]
    with ThreadPoolExecutor(options.concurrency) as pool, options.output.open("w") as file:
        for row, text in zip(rows, pool.map(caption, rows), strict=True):
            file.write(json.dumps({**row, "caption": text}) + "\n")


if __name__ == "__main__":
    main()
