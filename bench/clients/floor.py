"""The floor: a bare aiohttp loop. No journal, no retry, no check; every row must go well.

    python floor.py ROWS OUTPUT --api-url URL --concurrency 64 --decode

With ``--decode`` each picture is decoded once, as a careful client does that must not pay for
broken pictures. One JSON line at the end: ``tokens`` of all captions.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
from PIL import Image


def body_of(row: dict[str, Any], data: bytes, options: argparse.Namespace) -> bytes:
    """The request of `row`."""
    question = json.dumps({"type": "text", "text": row["conversation"][0]["value"]})
    more = f',"max_tokens":{options.max_tokens},"temperature":0' if options.max_tokens else ""
    return b"".join(
        (
            b'{"model":"%b"%b,"messages":[{"role":"user","content":[{"type":"image_url",'
            b'"image_url":{"url":"data:image/%b;base64,'
            % (
                options.model.encode(),
                more.encode(),
                b"png" if row["image"].endswith("png") else b"jpeg",
            ),
            b64encode(data),
            b'"}},',
            question.encode(),
            b"]}]}",
        )
    )


async def worker(
    rows: Iterator[tuple[int, dict[str, Any]]],
    captions: list[tuple[str, int]],
    session: aiohttp.ClientSession,
    options: argparse.Namespace,
) -> None:
    """Ask row after row."""
    folder = options.rows.parent
    url = f"{options.api_url}/chat/completions"
    for index, row in rows:
        data = (folder / row["image"]).read_bytes()
        if options.decode:
            with Image.open(io.BytesIO(data)) as image:
                image.load()
        async with session.post(url, data=body_of(row, data, options)) as answer:
            reply = json.loads(await answer.read())
        text, tokens = (
            reply["choices"][0]["message"]["content"],
            reply["usage"]["completion_tokens"],
        )
        captions[index] = text, tokens


async def run(options: argparse.Namespace) -> None:
    """Ask every row, then write them."""
    rows = [json.loads(line) for line in options.rows.read_text().splitlines()]
    captions = [("", 0)] * len(rows)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {options.key}"}
    connector = aiohttp.TCPConnector(limit=options.concurrency)
    timeout = aiohttp.ClientTimeout(total=1800)
    async with aiohttp.ClientSession(
        connector=connector, headers=headers, timeout=timeout
    ) as session:
        left = iter(enumerate(rows))
        await asyncio.gather(
            *(worker(left, captions, session, options) for _ in range(options.concurrency))
        )
    with options.output.open("w") as file:
        for row, (text, _) in zip(rows, captions, strict=True):
            file.write(json.dumps({**row, "caption": text}) + "\n")
    sys.stdout.write(json.dumps({"tokens": sum(tokens for _, tokens in captions)}) + "\n")


def main() -> None:
    """Run as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--api-url", required=True)
    parser.add_argument("--model", default="stub")
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--max-tokens", type=int)
    parser.add_argument("--decode", action="store_true")
    options = parser.parse_args()
    options.key = os.environ.get("DF_API_KEY", "none")
    asyncio.run(run(options))


if __name__ == "__main__":
    main()
