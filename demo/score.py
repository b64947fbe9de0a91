"""Score the demo model on held-out scenes: how many captions are exactly right.

    python demo/score.py --url http://127.0.0.1:8080 --count 500
    python demo/score.py --transformers demo/checkpoint --count 500

Asks the default question with each of the usual system prompts, then (`--unseen`) wordings
that training never used. An endpoint needs aiohttp; transformers needs torch and transformers.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

import prompts
import scenes

SYSTEMS = (None, prompts.DEFAULT_SYSTEM, prompts.CAPTIONER, prompts.CAPTIONER_TASK)
LONGEST = 64
"""Tokens an answer may have; the longest caption has about 40."""


@dataclass(frozen=True)
class Question:
    """One picture, what is asked about it, and the right answer."""

    picture: Path
    truth: str
    system: str | None
    text: str


Answerer = Callable[[Sequence[Question]], list[str]]


def questions(
    folder: Path, count: int, *, system: str | None, text: str, skip: int = 0
) -> list[Question]:
    """Ask `text` about `count` of the pictures that ``scenes.py`` wrote to `folder`."""
    lines = (folder / "truth.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines[skip : skip + count]]
    return [Question(folder / row["image"], row["caption"], system, text) for row in rows]


def data_url(path: Path) -> str:
    """Return the picture file as a data URL."""
    kind = "png" if path.suffix == ".png" else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


def messages(question: Question, picture: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the conversation, picture first."""
    user = [picture, {"type": "text", "text": question.text}]
    said: list[dict[str, Any]] = [{"role": "user", "content": user}]
    if question.system is not None:
        said.insert(0, {"role": "system", "content": question.system})
    return said


def endpoint(url: str, model: str, at_once: int) -> Answerer:
    """Return what asks an OpenAI-compatible server."""
    import aiohttp

    async def ask(session: aiohttp.ClientSession, question: Question) -> str:
        picture = {"type": "image_url", "image_url": {"url": data_url(question.picture)}}
        body = {
            "model": model,
            "messages": messages(question, picture),
            "temperature": 0,
            "max_tokens": LONGEST,
        }
        async with session.post(f"{url.rstrip('/')}/v1/chat/completions", json=body) as reply:
            reply.raise_for_status()
            answer: str = (await reply.json())["choices"][0]["message"]["content"]
            return answer

    async def ask_all(asked: Sequence[Question]) -> list[str]:
        limit = asyncio.Semaphore(at_once)

        async def one(session: aiohttp.ClientSession, question: Question) -> str:
            async with limit:
                return await ask(session, question)

        async with aiohttp.ClientSession() as session:
            return list(await asyncio.gather(*(one(session, q) for q in asked)))

    return lambda asked: asyncio.run(ask_all(asked))


def local(checkpoint: Path) -> Answerer:
    """Return what runs the checkpoint with transformers."""
    import torch
    import transformers

    library: Any = transformers  # its loaders have no types
    processor = library.AutoProcessor.from_pretrained(checkpoint)
    loader = library.AutoModelForImageTextToText
    model = loader.from_pretrained(checkpoint, dtype=torch.float32).eval()

    def ask(question: Question) -> str:
        picture = {"type": "image", "image": Image.open(question.picture).convert("RGB")}
        inputs = processor.apply_chat_template(
            _typed(messages(question, picture)),
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        )
        with torch.no_grad():
            tokens = model.generate(**inputs, max_new_tokens=LONGEST, do_sample=False)
        answer = tokens[0, inputs["input_ids"].shape[1] :]
        text: str = processor.tokenizer.decode(answer, skip_special_tokens=True)
        return text

    return lambda asked: [ask(question) for question in asked]


def _typed(said: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the conversation with every text as a list of parts, as transformers wants it."""
    for message in said:
        if isinstance(message["content"], str):
            message["content"] = [{"type": "text", "text": message["content"]}]
    return said


def report(name: str, asked: Sequence[Question], answers: Sequence[str], *, wrong: int) -> None:
    """Print the shares right: overall, of square pictures, of the others; and some mistakes."""
    marks: dict[str, list[bool]] = {"overall": [], "square": [], "not square": []}
    for question, answer in zip(asked, answers, strict=True):
        right = answer.strip() == question.truth
        width, height = Image.open(question.picture).size
        marks["overall"].append(right)
        marks["square" if width == height else "not square"].append(right)
        if not right and wrong > 0:
            wrong -= 1
            print(f"    {question.picture.name} {width}x{height}")
            print(f"      truth {question.truth!r}\n      said  {answer!r}")
    shares = (f"{k} {sum(v) / len(v):.1%} of {len(v)}" for k, v in marks.items() if v)
    print(f"{name}: " + ", ".join(shares), flush=True)


def score(answer: Answerer, folder: Path, args: argparse.Namespace) -> None:
    """Ask everything and print the table."""
    for system in SYSTEMS[: args.systems]:
        asked = questions(folder, args.count, system=system, text=prompts.DEFAULT_QUESTION)
        report(f"default question, system {system!r:.60}", asked, answer(asked), wrong=args.wrong)
    all_asked: list[Question] = []
    all_answers: list[str] = []
    for i, text in enumerate(prompts.UNSEEN if args.unseen else ()):
        skip = i * args.unseen % max(1, args.count - args.unseen + 1)
        asked = questions(folder, args.unseen, system=None, text=text, skip=skip)
        answers = answer(asked)
        report(f"unseen {text!r}", asked, answers, wrong=0)
        all_asked += asked
        all_answers += answers
    if all_asked:
        report("all unseen wordings", all_asked, all_answers, wrong=args.wrong)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Score the demo model on held-out scenes.")
    engine = parser.add_mutually_exclusive_group(required=True)
    engine.add_argument("--url", help="address of an OpenAI-compatible server, without /v1")
    engine.add_argument("--transformers", type=Path, metavar="CHECKPOINT")
    parser.add_argument("--model", default="default", help="model name to send to the server")
    parser.add_argument("--at-once", type=int, default=4)
    parser.add_argument("--count", type=int, default=500, help="pictures")
    parser.add_argument("--seed", type=int, default=scenes.HELD_OUT, help="first scene's seed")
    parser.add_argument("--systems", type=int, default=len(SYSTEMS), help="system prompts to try")
    parser.add_argument("--unseen", type=int, default=50, help="pictures per unseen wording")
    parser.add_argument("--wrong", type=int, default=3, help="mistakes to show")
    args = parser.parse_args(arguments)
    served = args.url is not None
    answer = endpoint(args.url, args.model, args.at_once) if served else local(args.transformers)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        scenes.write_pictures(path, count=args.count, seed=args.seed, kind="mixed")
        score(answer, path, args)


if __name__ == "__main__":
    main()
