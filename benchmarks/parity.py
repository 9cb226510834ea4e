"""How near ComfyUI's pictures come to ours: the same latents, for every sampler × spacing that `export` writes.

Four steps, since ComfyUI wants an environment of its own:
    python benchmarks/parity.py checkpoint CHECKPOINT.safetensors
    python benchmarks/parity.py graphs CHECKPOINT.safetensors GRAPHS.json
    COMFYUI'S/python benchmarks/parity.py comfyui GRAPHS.json THEIRS.npz COMFYUI_FOLDER CHECKPOINT'S_FOLDER
    python benchmarks/parity.py table CHECKPOINT.safetensors GRAPHS.json THEIRS.npz > docs/parity.md
The first makes a Stable Diffusion 1 checkpoint of random weights, its U-Net of 80 million parameters, its last layer
fitted so that it takes noise off smooth fields (and a folder of its name with the configs, from which our side loads
it); any checkpoint that both load will do. The third needs a checkout of github.com/comfyanonymous/ComfyUI with its
requirements; no server is started.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from denoisecli.labs.sample.config import SampleConfig

ROOT = Path(__file__).parents[1]
PROMPT, NEGATIVE = "a red house by a lake", "blurry"
STEPS, CFG, SEEDS, SIDE = 10, 2.0, (1, 2), 64
LATENT_SCALE = 0.18215  # of Stable Diffusion 1: ComfyUI hands latents on without it
MATCHING = 1e-5  # relative rms: float noise over ten steps

Row = tuple[str, str, str]
"""A sampler of ours, a spacing or "", and a schedule or ""."""


def rows() -> Iterator[Row]:
    """Yield every sampler × spacing that noise-predicting models take, then the samplers on ComfyUI's schedules."""
    from denoisecli.config.base import SPACINGS
    from denoisecli.config.samplers import SAMPLERS

    noise = [row for row in SAMPLERS.values() if row.process == "noise"]
    for row in noise:
        yield from ((row.name, spacing, "") for spacing in (SPACINGS if row.spaced else [""]))
    for row in noise:
        if row.comfyui and row.spaced and row.name not in ("lcm", "ddpm"):
            yield from ((row.name, "", f"comfy-{name}") for name in ("normal", "karras", "simple"))
    for name in ("exponential", "sgm_uniform", "ddim_uniform", "beta", "linear_quadratic", "kl_optimal"):
        yield ("euler", "", f"comfy-{name}")


def config_of(row: Row, checkpoint: str) -> SampleConfig:
    """Return the config of a row, with both seeds."""
    from denoisecli.labs.sample.config import SampleConfig

    sampler, spacing, schedule = row
    return SampleConfig(
        model=checkpoint,
        prompt=PROMPT,
        negative_prompt=NEGATIVE,
        seeds=SEEDS,
        steps=STEPS,
        cfg=CFG,
        size=(SIDE, SIDE),
        sampler=sampler,
        spacing=spacing or None,
        schedule=schedule or None,
    )


def graphs(checkpoint: str, out: str) -> None:
    """Write the graph that `export` makes of each row and seed."""
    from denoisecli.interop.comfyui.write import api_graph
    from denoisecli.interop.recipe import recipe, shot

    made = {}
    for row in rows():
        config = config_of(row, checkpoint)
        for seed in SEEDS:
            one = recipe(config, [shot(config, seed, CFG)], (SIDE, SIDE), "", config.spacing)
            made["/".join((*row, str(seed)))] = api_graph(one)
    Path(out).write_text(json.dumps(made))


def comfyui(graphs: str, out: str, checkout: str, models: str) -> None:
    """Run the graphs up to their decoder in ComfyUI's own code, and keep the latents. Nothing of ours is imported."""
    texts = json.loads(Path(graphs).read_text())
    sys.argv = [sys.argv[0], "--cpu"]
    sys.path.insert(0, checkout)
    os.chdir(checkout)
    import comfy.options

    comfy.options.enable_args_parsing()
    import comfy_extras.nodes_post_processing  # noqa: F401 - before nodes_latent: they import each other
    import folder_paths
    import torch
    from comfy_extras import nodes_custom_sampler, nodes_latent
    from nodes import NODE_CLASS_MAPPINGS

    folder_paths.add_model_folder_path("checkpoints", models)
    kinds = dict(NODE_CLASS_MAPPINGS)
    for module in (nodes_custom_sampler, nodes_latent):
        kinds |= getattr(module, "NODE_CLASS_MAPPINGS", {})
        kinds |= {c.define_schema().node_id: c for c in vars(module).values() if _is_node(c)}
    known: dict[str, Any] = {}
    found = {}
    for name, graph in texts.items():
        decoder = next(node for node in graph.values() if node["class_type"] == "VAEDecode")
        with torch.inference_mode():
            latents = _evaluated(graph, decoder["inputs"]["samples"], kinds, known)["samples"]
        found[name] = (latents * LATENT_SCALE).float().numpy()
        print(name, flush=True)
        np.savez(out, **found)


def _is_node(kind: Any) -> bool:
    return isinstance(kind, type) and hasattr(kind, "define_schema") and kind.__name__ != "ComfyNode"


def _evaluated(graph: dict[str, Any], link: list[Any], kinds: dict[str, Any], known: dict[str, Any]) -> Any:
    """Return what a node gives at an output; loaders and encoders are run once for all graphs."""
    name, slot = link
    node = graph[name]
    inputs = {
        key: _evaluated(graph, value, kinds, known) if isinstance(value, list) else value
        for key, value in node["inputs"].items()
    }
    kind = kinds[node["class_type"]]
    key = repr((node["class_type"], _spelt(graph, name)))
    if key not in known or "Sampler" in node["class_type"]:
        made = kind.execute(**inputs) if hasattr(kind, "define_schema") else getattr(kind(), kind.FUNCTION)(**inputs)
        known[key] = getattr(made, "result", made)
    return known[key][slot]


def _spelt(graph: dict[str, Any], name: str) -> Any:
    inputs = graph[name]["inputs"]
    return {
        key: (_spelt(graph, value[0]), value) if isinstance(value, list) else value for key, value in inputs.items()
    }


def table(checkpoint: str, graphs: str, theirs: str) -> None:
    """Sample each row here, and print the page: how far the latents are apart, and whether `export` says so."""
    from denoisecli.diffusion.batch import Batch, sample_batch
    from denoisecli.diffusion.models import load_model
    from denoisecli.diffusion.noise import starting_noise

    model = load_model(checkpoint, "cpu")
    texts, latents = json.loads(Path(graphs).read_text()), np.load(theirs)
    print(HEAD.format(steps=STEPS, cfg=CFG, side=SIDE))
    print("| sampler | levels | in ComfyUI | apart | `export` says |\n| --- | --- | --- | --- | --- |")
    for row in rows():
        config = config_of(row, checkpoint)
        batch = Batch(
            prompt=PROMPT,
            negative_prompt=NEGATIVE,
            noise=starting_noise(SEEDS, (4, SIDE // 8, SIDE // 8)),
            scales=[CFG] * len(SEEDS),
            steps=STEPS,
            sampler=config.sampler,
            seeds=SEEDS,
            spacing=config.spacing,
            schedule=config.schedule,
        )
        trace = sample_batch(model, batch)
        names = ["/".join((*row, str(seed))) for seed in SEEDS]
        gaps = [apart(trace.x_t[at, -1], latents[name][0]) for at, name in enumerate(names)]
        told = [note for note in losses(config) if not note.startswith("The model is")]
        print(f"| {row[0]} | {row[1] or row[2]} | {spelt(texts[names[0]])} | {max(gaps):.1e} | {' '.join(told)} |")


def losses(config: SampleConfig) -> list[str]:
    """Return what `export` says of a config."""
    from denoisecli.interop.gaps import comfyui_losses
    from denoisecli.interop.recipe import recipe, shot

    return comfyui_losses(recipe(config, [shot(config, 1, CFG)], (SIDE, SIDE), "", config.spacing))


def apart(ours: Any, theirs: Any) -> float:
    """Return the rms of the difference over the standard deviation of theirs."""
    return float(np.sqrt(((ours - theirs) ** 2).mean()) / theirs.std())


def spelt(graph: dict[str, Any]) -> str:
    """Return how a graph names the sampler and the levels."""
    inputs: dict[str, Any] = {key: value for node in graph.values() for key, value in node["inputs"].items()}
    return f"{inputs['sampler_name']}, {inputs.get('scheduler', 'levels written out')}"


HEAD = """# The same latents in ComfyUI

Each row is a config of ours, sampled here, and in ComfyUI from the graph that `denoisecli export --to comfyui` writes:
{steps} steps, cfg {cfg:g}, {side}x{side} pixels, two seeds, float32 on a CPU, a Stable Diffusion 1 checkpoint. *Apart*
is the rms of the difference of the final latents over their standard deviation, of the seed that differs most; 1e-5 and
less is the arithmetic's own noise. Where more is left, `export` says so. `schedule: comfy-…` runs a sampler here as
ComfyUI does; `import` sets it. This page was made by benchmarks/parity.py with ComfyUI 0.8.0.
"""


def checkpoint(out: str) -> None:
    """Write a Stable Diffusion 1 checkpoint of random weights whose U-Net takes noise off, and its configs' folder."""
    sys.path.insert(0, str(ROOT))
    import shutil
    from types import SimpleNamespace

    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from tests.original_layout import write_original
    from transformers import CLIPTextConfig, CLIPTextModel

    layout = ROOT / "src/denoisecli/diffusion/layouts/sd1"
    config = {part: _config(layout / part) for part in ("text_encoder", "vae", "unet")}
    config["unet"] |= {
        "block_out_channels": [320, 640], "layers_per_block": 1, "down_block_types": ["CrossAttnDownBlock2D",
        "DownBlock2D"], "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
    }  # fmt: skip
    torch.manual_seed(1234)
    text = CLIPTextModel(CLIPTextConfig(**config["text_encoder"])).eval()
    vae, unet = AutoencoderKL(**config["vae"]).eval(), UNet2DConditionModel(**config["unet"]).eval()
    with torch.no_grad():
        for part in (text, unet, vae):  # as the file has them
            for weight in part.parameters():
                weight.copy_(weight.half().float())
        _fit(unet, text, layout)
    for part in (text, unet, vae):
        part.half()
    write_original(SimpleNamespace(unet=unet, vae=vae, text_encoder=text), Path(out))
    folder = Path(out).with_suffix("")
    shutil.copytree(layout, folder, dirs_exist_ok=True)
    (folder / "unet" / "config.json").write_text(json.dumps({**config["unet"], "_class_name": "UNet2DConditionModel"}))


def _config(folder: Path) -> dict[str, Any]:
    return {key: value for key, value in json.loads((folder / "config.json").read_text()).items() if key[0] != "_"}


def _fit(unet: Any, text: Any, layout: Path) -> None:
    """Solve for the last convolution that predicts the noise on smooth fields best."""
    import torch
    from diffusers import DDIMScheduler

    scheduler = DDIMScheduler(**json.loads((layout / "scheduler" / "scheduler_config.json").read_text()))
    draw = torch.Generator().manual_seed(5)
    seen: list[torch.Tensor] = []
    hook = unet.conv_out.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    ids = torch.randint(0, 49000, (8, 77), generator=draw)
    ids[:, 0], ids[:, 20:] = 49406, 49407
    vectors = text(ids).last_hidden_state
    wanted = []
    for at in range(24):
        side, count = (8, 16) if at % 2 else (16, 8)
        coarse = torch.randn(count, 4, side // 4, side // 4, generator=draw)
        x0 = torch.nn.functional.interpolate(coarse, size=(side, side), mode="bicubic")
        eps = torch.randn(count, 4, side, side, generator=draw)
        t = torch.randint(0, 1000, (count,), generator=draw)
        unet(scheduler.add_noise(x0, eps, t), t, vectors[torch.randint(0, 8, (count,), generator=draw)])
        wanted.append(eps.flatten(2).permute(0, 2, 1).reshape(-1, 4))
    hook.remove()
    patches = torch.cat(
        [torch.nn.functional.unfold(one, 3, padding=1).permute(0, 2, 1).flatten(0, 1) for one in seen]
    ).double()
    design = torch.cat([patches, torch.ones(len(patches), 1).double()], 1)
    gram = design.T @ design + torch.eye(design.shape[1]).double()
    found = torch.linalg.solve(gram, design.T @ torch.cat(wanted).double())
    unet.conv_out.weight.copy_(found[:-1].T.reshape(unet.conv_out.weight.shape).float())
    unet.conv_out.bias.copy_(found[-1].float())


if __name__ == "__main__":
    steps = {"checkpoint": checkpoint, "graphs": graphs, "comfyui": comfyui, "table": table}
    if len(sys.argv) < 3 or sys.argv[1] not in steps:
        sys.exit(__doc__)
    steps[sys.argv[1]](*sys.argv[2:])
