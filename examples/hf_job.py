# /// script
# requires-python = ">=3.10"
# dependencies = ["dataflow-caption[hf,llamacpp]>=0.2"]
# ///
"""Caption a dataset of the Hugging Face Hub and push the result, in one line:

    hf jobs uv run examples/hf_job.py OWNER/DATASET OWNER/CAPTIONED

or on this machine with ``uv run``. Further words are options of ``dataflow caption``, such as
``--limit 100`` or ``--api-url URL --model NAME``. A job that is started again resumes where its
folder is kept.
"""

import subprocess
import sys


def main() -> int:
    """Caption the first dataset that is named and push it to the second."""
    if len(sys.argv) < 3:
        print(__doc__)
        return 2
    dataset, target, *options = sys.argv[1:]
    source = dataset if ":" in dataset or dataset.endswith(".jsonl") else f"hf:{dataset}"
    push = [] if target.endswith(".parquet") else ["--push-to-hub", target]
    output = target if target.endswith(".parquet") else "captioned.parquet"
    command = ["caption", source, "-o", output, *push, *options]
    return subprocess.run([sys.executable, "-m", "dataflow", *command]).returncode


if __name__ == "__main__":
    sys.exit(main())
