"""vLLM's server as the road starts it, up until stdin ends.

    python vllm_server.py CHECKPOINT [ARGUMENT …]

Further arguments go to vLLM's server. One JSON line when it is ready: its address, its key, the
model's name and the requests in flight.
Needs vLLM's environment, with this project in it.
"""

from __future__ import annotations

import json
import sys

from dataflow.serving.local_model_vlm_serving import LocalModelVLMServing_vllm


def main() -> None:
    """Serve the checkpoint."""
    serving = LocalModelVLMServing_vllm(sys.argv[1], vllm_max_model_len=512, vllm_args=sys.argv[2:])
    try:
        url = f"{serving.child().ensure()}/v1"
        ready = [url, serving.key(), serving.model, serving.max_workers]
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        sys.stdin.read()
    finally:
        serving.cleanup()


if __name__ == "__main__":
    main()
