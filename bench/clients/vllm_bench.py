"""vLLM's own client (`vllm bench serve`) at a server that is up.

    python vllm_bench.py ROWS URL MODEL MAX_TOKENS IN_FLIGHT

One JSON line among vLLM's own: ``rate``, captions per second, and ``tokens`` of all captions. Needs
vLLM's environment; the key stands in the variable ``OPENAI_API_KEY``.
"""

from __future__ import annotations

import base64
import json
import sys
import tempfile
from pathlib import Path


def main() -> None:
    """Run as the arguments say."""
    from vllm.benchmarks.serve import add_cli_args
    from vllm.benchmarks.serve import main as bench
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    rows, url, model, max_tokens, in_flight = Path(sys.argv[1]), *sys.argv[2:6]
    lines = [json.loads(line) for line in rows.read_text(encoding="utf-8").splitlines()]
    given = {
        "--backend": "openai-chat",
        "--endpoint": "/v1/chat/completions",
        "--base-url": url.removesuffix("/v1"),
        "--model": model,
        "--dataset-name": "custom_image",
        "--num-prompts": str(len(lines)),
        "--custom-output-len": max_tokens,
        "--max-concurrency": in_flight,
        "--temperature": "0",
    }
    switches = ["--disable-tqdm", "--disable-shuffle", "--skip-tokenizer-init", "--no-stream"]
    with tempfile.TemporaryDirectory() as folder:
        dataset = Path(folder) / "rows.jsonl"
        dataset.write_text("".join(_line(rows.parent, line) for line in lines))
        given["--dataset-path"] = str(dataset)
        parser = FlexibleArgumentParser()
        add_cli_args(parser)
        found = bench(
            parser.parse_args([*(word for pair in given.items() for word in pair), *switches])
        )
    said = {"rate": found["request_throughput"], "tokens": found["total_output_tokens"]}
    sys.stdout.write("\n" + json.dumps(said) + "\n")


def _line(folder: Path, row: dict[str, object]) -> str:
    """`row` as that client takes it, its picture inside."""
    name = str(row["image"])
    data = base64.b64encode((folder / name).read_bytes()).decode()
    kind = "png" if name.endswith("png") else "jpeg"
    asked = {"prompt": row["conversation"][0]["value"]}  # type: ignore[index]
    return json.dumps({**asked, "image_files": [f"data:image/{kind};base64,{data}"]}) + "\n"


if __name__ == "__main__":
    main()
