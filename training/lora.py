"""Teach the finished model one new style or object as a small LoRA in kohya's layout.

    python -m training.lora --pipeline src/denoisecli/pocket --latents build/pocket/latents-woodcut \
        --out src/denoisecli/pocket/loras/woodcut-print.safetensors --samples 12000

Only the attention projections of the denoiser get a low-rank update, W + (alpha / rank) · up · down; the text encoder
stays as it is, so the new words are whatever its letters happen to mean. Part of each batch comes from the base
model's own scenes: that keeps the new look bound to its words.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from peft import LoraConfig
from safetensors.torch import load_file, save_file

from training.denoiser import Batches, Noiser, stratified_levels
from training.latents import load_latents
from training.runs import Log, device, gather, half_precision, load_checkpoint, rate, save_whole
from training.sampling import Sampler

if TYPE_CHECKING:
    from collections.abc import Sequence

    from diffusers import UNet2DConditionModel
    from torch import Tensor

TARGETS = ("to_q", "to_k", "to_v", "to_out.0", "proj_in", "proj_out", "ff.net.2", "ff.net.0.proj")
ADAPTER = "pocket"


def add_adapter(unet: UNet2DConditionModel, rank: int) -> list[torch.nn.Parameter]:
    """Freeze the denoiser, add a LoRA of `rank` to its attention blocks; return what is left to train."""
    unet.requires_grad_(requires_grad=False)
    unet.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=list(TARGETS)), adapter_name=ADAPTER)
    return [parameter for parameter in unet.parameters() if parameter.requires_grad]


def adapter_weights(unet: UNet2DConditionModel) -> dict[str, Tensor]:
    """The trainable matrices by their PEFT names."""
    return {name: value.detach() for name, value in unet.named_parameters() if f".{ADAPTER}." in name}


def to_kohya(weights: dict[str, Tensor], alpha: float) -> dict[str, Tensor]:
    """PEFT's names to kohya's: lora_unet_<module with underscores>.lora_down|up.weight and .alpha."""
    kohya: dict[str, Tensor] = {}
    for name, value in weights.items():
        module, half = name.removesuffix(f".{ADAPTER}.weight").rsplit(".", 1)
        stem = "lora_unet_" + module.replace(".", "_")
        side = {"lora_A": "lora_down", "lora_B": "lora_up"}[half]
        kohya[f"{stem}.{side}.weight"] = value.half().cpu().contiguous()
        kohya[f"{stem}.alpha"] = torch.tensor(float(alpha), dtype=torch.float16)
    return kohya


def from_kohya(kohya: dict[str, Tensor], unet: UNet2DConditionModel) -> dict[str, Tensor]:
    """The way back from `to_kohya`, for an adapter of the same rank: what was learnt, whatever alpha makes of it."""
    found = {}
    for name in adapter_weights(unet):
        module, half = name.removesuffix(f".{ADAPTER}.weight").rsplit(".", 1)
        side = {"lora_A": "lora_down", "lora_B": "lora_up"}[half]
        found[name] = kohya["lora_unet_" + module.replace(".", "_") + f".{side}.weight"].float()
    return found


def save_lora(weights: dict[str, Tensor], rank: int, trigger: str, path: Path, strength: float = 1.0) -> None:
    """Write the adapter, whose strength 1 is `strength` times what was learnt; trigger words in kohya's metadata."""
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(rank),
        "ss_network_alpha": f"{strength * rank:g}",
        "ss_base_model_version": "denoisecli-pocket",
        "ss_trigger_words": trigger,
        "modelspec.title": path.stem,
        "modelspec.license": "Apache-2.0",
    }
    partial = path.with_name(path.name + ".partial")
    save_file(to_kohya(weights, strength * rank), partial, metadata=metadata)
    partial.chmod(0o644)
    partial.replace(path)


class Run:
    """One LoRA training run over new scenes mixed with the base model's own."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.place = device()
        self.options, self.noiser, self.step = options, Noiser(self.place), 0
        torch.manual_seed(options.seed)
        sampler = Sampler.from_folder(options.pipeline)
        self.unet, self.text = sampler.unet, sampler.text
        self.text.requires_grad_(requires_grad=False)
        self.optimizer = torch.optim.AdamW(add_adapter(self.unet, options.rank), lr=options.lr, weight_decay=0.01)
        if options.init:
            self.unet.load_state_dict(from_kohya(load_file(options.init), self.unet), strict=False)
        state = load_checkpoint(options.work / "checkpoint.pt")
        if state is not None:
            self.unet.load_state_dict(state["adapter"], strict=False)
            self.optimizer.load_state_dict(state["optimizer"])
            self.step = int(state["step"])
        rng = np.random.default_rng((options.seed, self.step))
        self.new = Batches(load_latents(options.latents), sampler.tokenizer, rng, self.place)
        self.base = Batches(load_latents(options.base), sampler.tokenizer, rng, self.place) if options.base else None

    @property
    def seen(self) -> int:
        """Samples trained on so far."""
        return self.step * self.options.batch

    def draw(self) -> tuple[Tensor, Tensor]:
        """Latents and token numbers of one batch, a quarter of it from the base model's scenes."""
        old = self.options.batch // 4 if self.base else 0
        parts = [self.new.draw(self.options.batch - old)]
        if self.base:
            parts.append(self.base.draw(old))
        return torch.cat([x0 for x0, _ in parts]), torch.cat([tokens for _, tokens in parts])

    def advance(self) -> Tensor:
        """One optimizer step; return its loss."""
        x0, tokens = self.draw()
        t, eps = stratified_levels(len(x0), self.place), torch.randn_like(x0)
        with half_precision(self.place):
            with torch.no_grad():
                context = self.text(tokens)[0]
            prediction = self.unet(self.noiser.add(x0, eps, t), t, context).sample
        loss = self.noiser.loss(prediction, eps, t).mean()
        for group in self.optimizer.param_groups:
            group["lr"] = self.options.lr * rate(self.step, self.seen / self.options.samples, warmup=20)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.step += 1
        return loss.detach()

    def checkpoint(self) -> None:
        """Save what a resumed run needs, and the LoRA as it is."""
        weights = adapter_weights(self.unet)
        state = {"adapter": weights, "optimizer": self.optimizer.state_dict(), "step": self.step}
        save_whole(state, self.options.work / "checkpoint.pt")
        save_lora(weights, self.options.rank, self.options.trigger, self.options.out, self.options.strength)


def train(options: argparse.Namespace) -> None:
    """Train to `options.samples` and write the LoRA."""
    run, log = Run(options), Log(options.work / "log.jsonl")
    losses: list[Tensor] = []
    started = time.monotonic()
    while run.seen < options.samples:
        losses.append(run.advance())
        if time.monotonic() - started > options.every or run.seen >= options.samples:
            log.write(seen=run.seen, train=round(gather(losses), 4))
            run.checkpoint()
            losses, started = [], time.monotonic()


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line of this stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pipeline", type=Path, default=Path("src/denoisecli/pocket"))
    parser.add_argument("--latents", type=Path, required=True, help="latents of the new scenes")
    parser.add_argument("--base", type=Path, help="latents the base model was trained on")
    parser.add_argument("--work", type=Path, required=True, help="folder for checkpoint and log")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--init", type=Path, help="an earlier LoRA of the same rank to go on from")
    parser.add_argument("--trigger", default="")
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--strength", type=float, default=1.0, help="times what was learnt that strength 1 shall be")
    parser.add_argument("--samples", type=int, default=12_000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--every", type=float, default=120, help="seconds between checkpoints")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(argv)


if __name__ == "__main__":
    train(parse())
