"""Train the demo model on drawn scenes, on two CPU cores.

    python demo/train.py OUTDIR --minutes 60                  # from nothing
    python demo/train.py OUTDIR --minutes 45 --start DIR      # go on from a checkpoint

Two processes of one thread each share the work (`--processes`). Preload tcmalloc
(``LD_PRELOAD=…/libtcmalloc_minimal.so.4``): glibc's allocator makes this several times slower.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModelForImageTextToText, AutoTokenizer

import batches
import fast_attention
import scenes

SAVE_EVERY = 300.0
"""Seconds between two saved checkpoints."""
WARM_UP = 50
AUXILIARY = 0.3
RANK = int(os.environ.get("RANK", "0"))
WORLD = int(os.environ.get("WORLD_SIZE", "1"))


class CellHead(nn.Module):
    """Says what is centred in each cell. For training only: it teaches the vision tower to see.

    Without it the caption's loss alone takes several times as many steps.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.parts = (len(scenes.SHAPES) + 1, len(scenes.COLOURS), len(scenes.SIZES), 2)
        self.linear = nn.Linear(width, sum(self.parts))

    def loss(self, seen: Tensor, cells: Tensor) -> Tensor:
        """Return the loss for vision outputs (cells, width) and labels (cells, 5)."""
        shape, colour, size, offset = self.linear(seen.float()).split(self.parts, dim=1)
        weight = torch.ones(self.parts[0])
        weight[0] = 0.3
        full = cells[:, 0] > 0
        loss: Tensor = functional.cross_entropy(shape, cells[:, 0].long(), weight=weight)
        loss = loss + functional.cross_entropy(colour[full], cells[full, 1].long())
        loss = loss + functional.cross_entropy(size[full], cells[full, 2].long())
        away: Tensor = (offset[full] - cells[full, 3:]).abs().mean()
        return loss + away


@dataclass
class Progress:
    """What has been done so far."""

    started: float = field(default_factory=time.monotonic)
    steps: int = 0
    pictures: int = 0
    loss: float = 0.0
    right: float = 0.0

    def note(self, *, loss: float, right: float, pictures: int) -> None:
        """Count one step; loss and share right are running means."""
        share = max(0.02, 1 / (self.steps + 1))
        self.steps += 1
        self.pictures += pictures
        self.loss += share * (loss - self.loss)
        self.right += share * (right - self.right)


class Trainer:
    """The model, its optimizers, and one step of training."""

    def __init__(self, start: Path, rate: float) -> None:
        self.tokenizer: Any = AutoTokenizer.from_pretrained(start)
        self.model: Any = AutoModelForImageTextToText.from_pretrained(start, dtype=torch.float32)
        self.model.train()
        self.picture_token: Any = self.tokenizer.convert_tokens_to_ids("<|image_pad|>")
        torch.manual_seed(1)
        self.head = CellHead(self.model.config.text_config.hidden_size)
        named = list(self.model.named_parameters())
        matrices = [p for n, p in named if p.ndim == 2 and "embed" not in n and "lm_head" not in n]
        chosen = {id(p) for p in matrices}
        others = [p for _, p in named if id(p) not in chosen] + list(self.head.parameters())
        self.parameters = matrices + others
        self.optimizers = [
            torch.optim.Muon(matrices, lr=rate * 10, momentum=0.95, weight_decay=0.01),
            torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.98), weight_decay=0.0),
        ]
        self.rates = (rate * 10, rate)

    def forward(self, batch: batches.Batch) -> tuple[Tensor, Tensor]:
        """Return the vision outputs and the hidden states of the text."""
        count = batch.tokens.shape[0]
        fast_attention.set_batch(count)
        grid = torch.tensor([[1, batch.grid[0] * 2, batch.grid[1] * 2]]).expand(count, 3)
        body = self.model.model
        seen = body.visual(batch.patches, grid_thw=grid).pooler_output
        seen = torch.cat(seen) if isinstance(seen, (tuple, list)) else seen
        embedded = body.language_model.embed_tokens(batch.tokens)
        here = torch.eq(batch.tokens, self.picture_token).unsqueeze(-1)
        embedded = embedded.masked_scatter(here, seen.to(embedded.dtype))
        out = body.language_model(
            inputs_embeds=embedded,
            position_ids=batch.positions,
            attention_mask=None,
            use_cache=False,
        )
        return seen, out.last_hidden_state

    def step(self, batch: batches.Batch, factor: float) -> tuple[float, float]:
        """Learn from one batch; returns the caption's loss and the share of captions right."""
        for optimizer, rate in zip(self.optimizers, self.rates, strict=True):
            optimizer.zero_grad(set_to_none=True)
            for group in optimizer.param_groups:
                group["lr"] = rate * factor
        with torch.autocast("cpu", torch.bfloat16):
            seen, hidden = self.forward(batch)
            asked = batch.labels[:, 1:] != batches.IGNORED
            logits = self.model.lm_head(hidden[:, :-1][asked]).float()
        wanted = batch.labels[:, 1:][asked]
        loss = functional.cross_entropy(logits, wanted)
        whole: Any = loss + AUXILIARY * self.head.loss(seen, batch.cells)
        whole.backward()
        average(self.parameters)
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
        wrong = torch.zeros(asked.shape[0])
        wrong.index_add_(0, torch.nonzero(asked)[:, 0], (logits.argmax(-1) != wanted).float())
        return loss.item(), (wrong == 0).float().mean().item()

    def save(self, folder: Path, start: Path) -> None:
        """Write the checkpoint in bf16, with the configuration files of the one started from."""
        folder.mkdir(parents=True, exist_ok=True)
        state = {n: t.to(torch.bfloat16) for n, t in self.model.state_dict().items()}
        del state["lm_head.weight"]  # it is the embedding's
        self.model.save_pretrained(folder, state_dict=state)
        for file in start.iterdir():
            if file.suffix != ".safetensors" and file.resolve().parent != folder.resolve():
                shutil.copy(file, folder / file.name)


def average(parameters: Sequence[Tensor]) -> None:
    """Average the gradients over the processes."""
    if WORLD == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([g.reshape(-1) for g in gradients])
    dist.all_reduce(flat)
    at = 0
    for gradient in gradients:
        gradient.copy_(flat[at : at + gradient.numel()].view_as(gradient) / WORLD)
        at += gradient.numel()


def same_everywhere(value: float) -> float:
    """Return the first process's value in all of them."""
    if WORLD == 1:
        return value
    shared = torch.tensor([value])
    dist.broadcast(shared, 0)
    return float(shared.item())


def check_shortcuts(trainer: Trainer) -> None:
    """Fail unless the batched attention gives what transformers itself gives."""
    maker = batches.Maker(trainer.tokenizer, random.Random("check"), 2)
    checked: set[tuple[int, int]] = set()
    for batch in maker:
        if batch.grid in checked:
            continue
        with torch.no_grad():
            fast = trainer.forward(batch)
            with fast_attention.removed():
                slow = trainer.forward(batch.with_two_frames())
        gap = max((a - b).abs().max().item() for a, b in zip(fast, slow, strict=True))
        print(f"grid {batch.grid}: differs from transformers by {gap:.1e}", flush=True)
        if gap > 1e-3:
            raise RuntimeError("the batched attention is wrong")
        checked.add(batch.grid)
        if len(checked) == 6:
            return


def train(args: argparse.Namespace, start: Path) -> None:
    """Train until the time is up, saving now and then."""
    torch.set_num_threads(1)
    trainer = Trainer(start, args.rate)
    fast_attention.install()
    if RANK == 0:
        check_shortcuts(trainer)
    stream = random.Random(f"training {args.seed} process {RANK}")
    done, saved = Progress(), time.monotonic()
    for batch in batches.Maker(trainer.tokenizer, stream, args.batch):
        spent = same_everywhere((time.monotonic() - done.started) / 60 / args.minutes)
        if spent >= 1:
            break
        fall = 0.5 * (1 + math.cos(math.pi * max(0.0, spent - args.hold) / (1 - args.hold)))
        factor = min(1.0, (done.steps + 1) / WARM_UP) * fall + 1e-3
        loss, right = trainer.step(batch, factor)
        done.note(loss=loss, right=right, pictures=args.batch * WORLD)
        if RANK == 0 and done.steps % 50 == 0:
            pace = done.pictures / (time.monotonic() - done.started)
            print(
                f"{spent * args.minutes:6.2f} min  step {done.steps}  loss {done.loss:.4f}"
                f"  captions right {done.right:.3f}  {pace:.0f} pictures/s",
                flush=True,
            )
        if RANK == 0 and time.monotonic() - saved > SAVE_EVERY:
            trainer.save(args.folder, start)
            saved = time.monotonic()
    if RANK == 0:
        trainer.save(args.folder, start)
        print(f"saved {args.folder}: {done.steps} steps, {done.pictures} pictures")


def start_processes(arguments: Sequence[str], count: int) -> int:
    """Run this script once per process, each with one thread; returns the worst exit code."""
    shared = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29531"}
    shared |= {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    children = [
        subprocess.Popen(
            [sys.executable, __file__, *arguments], env={**os.environ, **shared, "RANK": str(rank)}
        )
        for rank in range(count)
    ]
    return max(child.wait() for child in children)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Train the demo model.")
    parser.add_argument("folder", type=Path, metavar="OUTDIR")
    parser.add_argument("--start", type=Path, help="checkpoint to go on from")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rate", type=float, default=1e-3, help="peak learning rate")
    parser.add_argument("--hold", type=float, default=0.3, help="share of time at the peak")
    parser.add_argument("--batch", type=int, default=64, help="pictures a process and step")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    given = list(sys.argv[1:] if arguments is None else arguments)
    args = parser.parse_args(given)
    start = args.start or args.folder.with_name(args.folder.name + "-start")
    if args.start is None and "RANK" not in os.environ:
        import checkpoint

        checkpoint.make(start)
    if "RANK" not in os.environ and args.processes > 1:
        return start_processes(given, args.processes)
    if WORLD > 1:
        dist.init_process_group("gloo")
    train(args, start)
    return 0


if __name__ == "__main__":
    sys.exit(main())
