"""Serve a GGUF pair of the demo model with llama.cpp, for ``score.py``.

    python demo/serve.py src/dataflow/serving/demo_model/scenes-demo.gguf

prints the address and serves until its standard input ends. Needs xllamacpp.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

CELLS = (16, 20)
"""Least and most picture tokens: the geometry of the checkpoint's own processor."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Serve the demo model with llama.cpp.")
    parser.add_argument("model", type=Path, help="the text model; its -mmproj lies beside it")
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args(arguments)

    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(args.model)
    params.mmproj.path = str(args.model.with_name(f"{args.model.stem}-mmproj.gguf"))
    params.n_parallel, params.n_ctx = args.slots, 2048 * args.slots
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = args.threads
    params.image_min_tokens, params.image_max_tokens = CELLS
    params.ui, params.fit_params, params.verbosity, params.cache_ram_mib = False, False, 1, 0
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()
    os._exit(0)  # destroying a server can hang


if __name__ == "__main__":
    main()
