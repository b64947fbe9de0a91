"""distilabel: a pipeline of its loader and its task for text from a picture. Nothing is decoded.

python peer_distilabel.py ROWS OUTPUT --api-url URL --concurrency 64
"""

from __future__ import annotations

import argparse
import base64
import json
from pathlib import Path

from distilabel.models import OpenAILLM
from distilabel.pipeline import Pipeline
from distilabel.steps import LoadDataFromDicts
from distilabel.steps.tasks import TextGenerationWithImage


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
    rows = [json.loads(line) for line in options.rows.read_text().splitlines()]
    asked = [
        {
            "number": number,
            "instruction": row["conversation"][0]["value"],
            "image": base64.b64encode((folder / row["image"]).read_bytes()).decode(),
        }
        for number, row in enumerate(rows)
    ]
    with Pipeline() as pipeline:
        load = LoadDataFromDicts(data=asked, batch_size=options.concurrency)
        ask = TextGenerationWithImage(
            llm=OpenAILLM(model=options.model, base_url=options.api_url, api_key="none"),
            image_type="base64",
            input_batch_size=options.concurrency,
        )
        load >> ask  # its way to join two steps
    found = pipeline.run(use_cache=False)["default"]["train"]
    texts = dict(zip(found["number"], found["generation"], strict=True))
    with options.output.open("w") as file:
        for number, row in enumerate(rows):
            file.write(json.dumps({**row, "caption": texts[number]}) + "\n")


if __name__ == "__main__":
    main()
