"""What most scripts do: the openai client, in a thread pool or in tasks. Nothing is decoded.

    python plain_openai.py ROWS OUTPUT --api-url URL --concurrency 64 [--tasks]

With ``--tasks`` the asynchronous client, a task for each row in flight.
"""

from __future__ import annotations

import argparse
import asyncio
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
    parser.add_argument("--tasks", action="store_true")
    options = parser.parse_args()
    rows = [json.loads(line) for line in options.rows.read_text().splitlines()]
    texts = asyncio.run(in_tasks(rows, options)) if options.tasks else in_threads(rows, options)
    with options.output.open("w") as file:
        for row, text in zip(rows, texts, strict=True):
            file.write(json.dumps({**row, "caption": text}) + "\n")


def in_threads(rows: list[dict[str, Any]], options: argparse.Namespace) -> list[str]:
    """Each row's caption."""
    client = openai.OpenAI(base_url=options.api_url, api_key="none")

    def caption(row: dict[str, Any]) -> str:
        reply = client.chat.completions.create(**request(row, options))
        return reply.choices[0].message.content or ""

    with ThreadPoolExecutor(options.concurrency) as pool:
        return [*pool.map(caption, rows)]


async def in_tasks(rows: list[dict[str, Any]], options: argparse.Namespace) -> list[str]:
    """Each row's caption."""
    client = openai.AsyncOpenAI(base_url=options.api_url, api_key="none")
    places = asyncio.Semaphore(options.concurrency)

    async def caption(row: dict[str, Any]) -> str:
        async with places:
            reply = await client.chat.completions.create(**request(row, options))
        return reply.choices[0].message.content or ""

    return [*await asyncio.gather(*map(caption, rows))]


def request(row: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    """What is asked about `row`."""
    data = base64.b64encode((options.rows.parent / row["image"]).read_bytes()).decode()
    content = [
        {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{data}"}},
        {"type": "text", "text": row["conversation"][0]["value"]},
    ]
    return {"model": options.model, "messages": [{"role": "user", "content": content}]}


if __name__ == "__main__":
    main()
