"""What every training stage shares: whole-or-nothing checkpoints, a JSON-lines log, averaged weights, a schedule."""

from __future__ import annotations

import json
import math
import os
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.distributed

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Mapping

    from torch import Tensor, nn


def device() -> torch.device:
    """A CUDA device where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def half_precision(place: torch.device) -> AbstractContextManager[Any]:
    """Let a CUDA device compute in bfloat16; weights, their gradients and the loss stay in float32."""
    return torch.autocast("cuda", torch.bfloat16) if place.type == "cuda" else nullcontext()


def save_whole(state: Mapping[str, Any], path: Path) -> None:
    """Write a checkpoint so that `path` holds either the old one or the new one, never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    torch.save(dict(state), partial)
    partial.replace(path)


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """The checkpoint of our own at `path`, or None where there is none yet."""
    return torch.load(path, weights_only=True, map_location=device()) if path.exists() else None


class Log:
    """Appends one JSON object a line to a file, and prints it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path

    def write(self, **row: object) -> None:
        """Add one row, stamped with the wall clock."""
        line = json.dumps({"at": time.strftime("%H:%M:%S", time.gmtime()), **row})
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        print(line, flush=True)


class Average:
    """Exponential moving average of a module's weights; its memory grows from short to 1 / (1 − decay) steps."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.module, self.decay, self.updates = module, decay, 0
        self.weights = {name: value.detach().clone() for name, value in module.state_dict().items()}

    @torch.no_grad()
    def update(self) -> None:
        """Fold the module's present weights in."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        present = self.module.state_dict()
        names = [name for name, value in self.weights.items() if value.is_floating_point()]
        torch._foreach_lerp_([self.weights[n] for n in names], [present[n] for n in names], 1 - decay)

    def __enter__(self) -> nn.Module:
        """Put the averaged weights into the module; leaving puts the training weights back."""
        self._kept = {name: value.clone() for name, value in self.module.state_dict().items()}
        self.module.load_state_dict(self.weights)
        return self.module

    def __exit__(self, *_: object) -> None:
        self.module.load_state_dict(self._kept)

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"weights": self.weights, "updates": self.updates}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.weights, self.updates = dict(state["weights"]), int(state["updates"])


def rate(step: int, progress: float, *, warmup: int = 100, hold: float = 0.4) -> float:
    """Share of the peak learning rate: linear warm-up, flat up to `hold` of the run, cosine down to zero at its end."""
    up = min(1.0, (step + 1) / warmup)
    down = 1.0 if progress < hold else 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - hold) / (1 - hold))))
    return up * down


def by_steps_or_clock(share: float, first: float, begun: float, minutes: float | None) -> float:
    """Progress 0..1: the `share` of steps that is done, or of `minutes` since `begun` if those are up sooner.

    first: the share that was done when this process began, at `begun` of the monotonic clock.
    """
    if not minutes:
        return share
    return max(share, first + (1 - first) * (time.monotonic() - begun) / 60 / minutes)


class Lap:
    """A training run of one module: AdamW, averaged weights, checkpoints in `options.out`, an end by steps or clock.

    options: what `add_lap_options` reads, and out. It goes on from its checkpoint if there is one. The workers of a
    `torchrun` launch average their gradients; the first one measures, logs and keeps.
    """

    def __init__(
        self,
        module: nn.Module,
        options: argparse.Namespace,
        *,
        betas: tuple[float, float] = (0.9, 0.98),
        weight_decay: float = 0.0,
    ) -> None:
        self.module, self.options, self.step, self.rank = module, options, 0, join_workers()
        self.average = Average(module, options.decay)
        self.optimizer = torch.optim.AdamW(module.parameters(), lr=options.lr, betas=betas, weight_decay=weight_decay)
        options.out.mkdir(parents=True, exist_ok=True)
        self.path = options.out / "checkpoint.pt"
        if (state := load_checkpoint(self.path)) is not None:
            module.load_state_dict(state["model"])
            self.average.restore(state["average"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step = int(state["step"])
        torch.manual_seed(1_000_003 * self.rank + options.seed + self.step)
        self.rng = np.random.default_rng((options.seed, self.step, self.rank))

    def run(
        self,
        loss: Callable[[], Tensor],
        measure: Callable[[], Mapping[str, object]],
        keep: Callable[[], None],
        *,
        warmup: int = 100,
        hold: float = 0.0,
    ) -> None:
        """Train to the end. `measure` and `keep` find the averaged weights in the module when a checkpoint is due."""
        options, progress, losses = self.options, self.step / self.options.steps, list[torch.Tensor]()
        first, begun = progress, time.monotonic()
        self.checkpoint(losses, 0.0, measure, keep)
        started = time.monotonic()
        while progress < 1:
            for group in self.optimizer.param_groups:
                group["lr"] = options.lr * rate(self.step, progress, warmup=warmup, hold=hold)
            losses.append(self.advance(loss()))
            share = self.step / options.steps
            progress = agree(by_steps_or_clock(share, first, begun, options.minutes))
            elapsed = agree(time.monotonic() - started)
            if elapsed > options.every or progress >= 1:
                self.checkpoint(losses, elapsed, measure, keep)
                losses, started = [], time.monotonic()

    def advance(self, loss: Tensor) -> Tensor:
        """Take one step; return the loss, detached."""
        self.optimizer.zero_grad()
        loss.backward()
        average_gradients(self.module.parameters())
        torch.nn.utils.clip_grad_norm_(self.module.parameters(), 1.0)
        self.optimizer.step()
        self.average.update()
        self.step += 1
        return loss.detach()

    def checkpoint(
        self,
        losses: list[Tensor],
        seconds: float,
        measure: Callable[[], Mapping[str, object]],
        keep: Callable[[], None],
    ) -> None:
        """Measure and log; and save what a later call goes on from, if there were steps since the last time."""
        if self.rank:
            return
        with self.average:
            row = {name: rounded(value) for name, value in measure().items()}
            keep()
        if losses:
            each = workers() * self.options.batch
            row |= {"train": rounded(gather(losses)), "samples_per_s": round(len(losses) * each / seconds, 1)}
            kept = {"model": self.module.state_dict(), "optimizer": self.optimizer.state_dict()}
            save_whole({**kept, "average": self.average.state(), "step": self.step}, self.path)
        Log(self.options.out / "log.jsonl").write(step=self.step, **row)


def rounded(value: object) -> object:
    """A number with four figures, as a log has it; anything else as it is."""
    return float(f"{value:.4g}") if isinstance(value, float) else value


def add_lap_options(
    parser: argparse.ArgumentParser, *, steps: int | None, batch: int, lr: float, decay: float, every: float = 180
) -> None:
    """Add what a `Lap` asks for, with a stage's own defaults; without steps the stage says how long it is."""
    if steps is not None:
        parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--minutes", type=float, help="anneal and stop after so long, if that is sooner")
    parser.add_argument("--batch", type=int, default=batch, help="samples a step and worker")
    parser.add_argument("--lr", type=float, default=lr, help="the peak learning rate")
    parser.add_argument("--decay", type=float, default=decay, help="of the weights' moving average")
    parser.add_argument("--every", type=float, default=every, help="seconds between checkpoints")
    parser.add_argument("--seed", type=int, default=0)


def join_workers() -> int:
    """Join the other processes of a `torchrun` launch, if this is one; return this one's rank.

    On a busy machine two processes of one thread each train faster than one of two: they wait for each other once a
    step, not once an operation.
    """
    if "RANK" in os.environ and not torch.distributed.is_initialized():
        torch.distributed.init_process_group("gloo")
    return torch.distributed.get_rank() if torch.distributed.is_initialized() else 0


def workers() -> int:
    """How many processes train together."""
    return torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace each gradient by its mean over the workers; nothing to do for one."""
    if workers() == 1:
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    torch.distributed.all_reduce(flat)
    flat /= workers()
    for gradient, mean in zip(gradients, flat.split([one.numel() for one in gradients]), strict=True):
        gradient.copy_(mean.view(gradient.shape))


def agree(value: float) -> float:
    """The largest of the workers' values: for what each measures by its own clock and all have to share."""
    if workers() == 1:
        return value
    shared = torch.tensor([value], dtype=torch.float64)
    torch.distributed.all_reduce(shared, torch.distributed.ReduceOp.MAX)
    return float(shared)


def gather(values: list[Tensor]) -> float:
    """Mean of scalars collected since the last report."""
    return float(torch.stack(values).mean()) if values else math.nan
