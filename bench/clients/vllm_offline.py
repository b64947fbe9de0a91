"""vLLM without a server: everything loaded beforehand, all asked at once by its own `LLM.chat`.

    python vllm_offline.py ROWS CHECKPOINT MAX_TOKENS AT_A_TIME RUNS

One JSON line among vLLM's own: ``rate``, captions per second, and ``tokens`` of all captions, for
each run. Needs vLLM's environment.
"""

from __future__ import annotations

import base64
import json
import sys
import time
from pathlib import Path
from typing import Any


def conversation(folder: Path, row: dict[str, Any]) -> list[dict[str, Any]]:
    """What is asked about `row`, its picture inside."""
    data = base64.b64encode((folder / row["image"]).read_bytes()).decode()
    kind = "png" if row["image"].endswith("png") else "jpeg"
    url = {"url": f"data:image/{kind};base64,{data}"}
    text = row["conversation"][0]["value"]
    content = [{"type": "image_url", "image_url": url}, {"type": "text", "text": text}]
    return [{"role": "user", "content": content}]


def main() -> None:
    """Run as the arguments say."""
    from vllm import LLM, SamplingParams

    rows, checkpoint, max_tokens, at_a_time, runs = Path(sys.argv[1]), *sys.argv[2:6]
    lines = rows.read_text(encoding="utf-8").splitlines()
    asked = [conversation(rows.parent, json.loads(line)) for line in lines]
    engine = LLM(
        checkpoint,
        max_model_len=512,
        max_num_seqs=int(at_a_time),
        enforce_eager=True,
        kv_cache_memory_bytes=2 * 2**30,
        mm_processor_cache_gb=0,
        limit_mm_per_prompt={"image": 8, "video": 0},
    )
    sampling = SamplingParams(temperature=0, max_tokens=int(max_tokens))
    engine.chat(asked[:50], sampling, use_tqdm=False)  # the first answers are slower
    found = []
    for _ in range(int(runs)):
        began = time.perf_counter()
        answers = engine.chat(asked, sampling, use_tqdm=False)
        rate = len(asked) / (time.perf_counter() - began)
        tokens = sum(len(answer.outputs[0].token_ids) for answer in answers)
        found.append({"rate": rate, "tokens": tokens})
    sys.stdout.write("\n" + json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
