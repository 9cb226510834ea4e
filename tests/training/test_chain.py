"""The whole chain on a tiny model, from scenes to samples and back through evaluation and a LoRA."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

pytest.importorskip("cv2")

from training.runs import load_checkpoint

from training import autoencoder, denoiser, evaluate, export, latents, lora, probe, scenes

ROWS = ["--shards", "2", "--per-shard", "12", "--workers", "1"]


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    root = tmp_path_factory.mktemp("pocket")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = SimpleNamespace(
        root=root,
        scenes=root / "scenes",
        autoencoder=root / "autoencoder",
        latents=root / "latents",
        denoiser=root / "denoiser",
        tokenizer=root / "tokenizer",
        pipeline=root / "pipeline",
    )
    scenes.main(["--out", str(folder.scenes), *ROWS])
    autoencoder.train(autoencoder.parse(autoencoder_arguments(folder, 4)))
    latents.main(
        [
            *("--scenes", str(folder.scenes), "--out", str(folder.latents)),
            *("--autoencoder", str(folder.autoencoder / "autoencoder")),
        ]
    )
    denoiser.train(denoiser.parse(denoiser_arguments(folder, 16)))
    export.main(
        [
            *("--autoencoder", str(folder.autoencoder / "autoencoder"), "--size", "tiny"),
            *("--denoiser", str(folder.denoiser / "weights.safetensors")),
            *("--tokenizer", str(folder.tokenizer), "--out", str(folder.pipeline)),
        ]
    )
    yield folder
    torch.set_num_threads(threads)


def autoencoder_arguments(folder, steps):
    return [
        *("--scenes", str(folder.scenes), "--out", str(folder.autoencoder), "--size", "tiny"),
        *("--steps", str(steps), "--validate", "4"),
    ]


def denoiser_arguments(folder, samples):
    return [
        *("--latents", str(folder.latents), "--tokenizer", str(folder.tokenizer)),
        *("--out", str(folder.denoiser), "--size", "tiny", "--samples", str(samples)),
        *("--batch", "4", "--validate", "4"),
    ]


def test_the_export_samples_as_a_stable_diffusion_pipeline(chain):
    from diffusers import StableDiffusionPipeline

    pipe = StableDiffusionPipeline.from_pretrained(chain.pipeline, safety_checker=None).to(torch.float32)
    pipe.set_progress_bar_config(disable=True)
    picture = pipe("a castle at noon", num_inference_steps=2, guidance_scale=3.0).images[0]
    assert picture.size == (256, 256)
    modes = {path.stat().st_mode & 0o777 for path in chain.pipeline.rglob("*.safetensors")}
    assert modes == {0o644}
    assert len(export.digests(chain.pipeline)) == 3


def test_the_colour_start_is_already_an_average_colour_code(chain):
    lines = (chain.autoencoder / "log.jsonl").read_text().splitlines()
    assert json.loads(lines[0])["psnr"] > 14


def test_a_killed_run_goes_on_from_its_checkpoint(chain):
    before = load_checkpoint(chain.denoiser / "checkpoint.pt")
    denoiser.train(denoiser.parse(denoiser_arguments(chain, 24)))
    after = load_checkpoint(chain.denoiser / "checkpoint.pt")
    assert (before["step"], after["step"]) == (4, 6)
    log = [json.loads(line) for line in (chain.denoiser / "log.jsonl").read_text().splitlines()]
    assert [row["seen"] for row in log] == [16, 24]
    assert all(np.isfinite(row["validation"]) for row in log)
    assert not list(chain.denoiser.glob("*.partial"))


def test_evaluation_reports_every_measure(chain):
    probe.main(["--scenes", str(chain.scenes), "--out", str(chain.root / "probe.pt"), "--steps", "3"])
    out = chain.root / "evaluation"
    evaluate.main(
        [
            *("--pipeline", str(chain.pipeline), "--probe", str(chain.root / "probe.pt")),
            *("--scenes", str(chain.scenes), "--out", str(out)),
            *("--count", "4", "--seeds", "2", "--steps", "2", "--cfg", "1", "3"),
        ]
    )
    result = json.loads((out / "evaluation.json").read_text())
    assert set(result["by_guidance"]) == {"renders", "1", "3"}
    assert {"captions", "speed", "autoencoder", "diversity", "copies", "probe"} <= set(result)


def test_a_lora_has_kohyas_layout_and_loads(chain):
    from diffusers import StableDiffusionPipeline
    from safetensors.torch import load_file

    path = chain.root / "style.safetensors"
    lora.train(
        lora.parse(
            [
                *("--pipeline", str(chain.pipeline), "--latents", str(chain.latents)),
                *("--base", str(chain.latents), "--work", str(chain.root / "lora")),
                *("--out", str(path), "--rank", "4", "--samples", "8", "--batch", "4"),
            ]
        )
    )
    keys = {key.rsplit(".", 2)[-2] if key.endswith("weight") else "alpha" for key in load_file(path)}
    assert keys == {"lora_down", "lora_up", "alpha"}
    pipe = StableDiffusionPipeline.from_pretrained(chain.pipeline, safety_checker=None).to(torch.float32)
    pipe.load_lora_weights(path)
    assert pipe.get_active_adapters()
