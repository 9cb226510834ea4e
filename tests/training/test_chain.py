"""The whole chain on a tiny model, from scenes to samples and back through evaluation and a LoRA."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

pytest.importorskip("cv2")

from diffusers import AutoencoderTiny
from training.captions import GRAMMAR
from training.critic import Critic
from training.denoiser import X0_CAP
from training.models import TINY, Trunk, build_autoencoder
from training.runs import load_checkpoint

from training import (
    autoencoder,
    calm,
    carry,
    denoiser,
    evaluate,
    export,
    grid,
    latents,
    lora,
    memories,
    new_words,
    outside,
    preview,
    probe,
    scenes,
    soften,
    wording,
)

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
    assert [row["seen"] for row in log] == [0, 16, 16, 24]
    assert all(np.isfinite(row["validation"]) for row in log)
    assert not list(chain.denoiser.glob("*.partial"))


def test_a_run_killed_in_the_middle_of_a_step_loses_one_interval_at_most(chain, tmp_path):
    """SIGKILL at any moment: what lies under the final names is whole, and the run goes on from it."""
    arguments = [*denoiser_arguments(chain, 100_000), "--every", "0", "--out", str(tmp_path / "killed")]
    command = [sys.executable, "-m", "training.denoiser", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        rows = [json.loads(process.stdout.readline()) for _ in range(3)]
        process.kill()
    kept = load_checkpoint(tmp_path / "killed" / "checkpoint.pt")["step"]
    assert kept >= rows[-1]["seen"] // 4 - 1
    goal = 4 * kept + 8
    denoiser.train(denoiser.parse([*arguments, "--samples", str(goal)]))
    assert load_checkpoint(tmp_path / "killed" / "checkpoint.pt")["step"] == kept + 2


def test_a_smaller_decoder_learns_from_a_larger_one_under_the_same_encoder(chain, tmp_path):
    """The last stage's blocks are left out, everything else is taken over, and the latents stay as they are."""
    tiny = AutoencoderTiny.from_pretrained(chain.pipeline, subfolder="vae")
    larger = build_autoencoder(replace(TINY, decoder_blocks=(1, 1, 1, 2)))
    smaller = build_autoencoder(TINY)
    autoencoder.take_over(smaller.decoder, larger.decoder)
    assert torch.equal(smaller.decoder.layers[-1].weight, larger.decoder.layers[-1].weight)
    assert torch.equal(smaller.decoder.layers[-2].weight, larger.decoder.layers[-4].weight)
    arguments = [*autoencoder_arguments(chain, 3), "--out", str(tmp_path), "--init", str(chain.pipeline)]
    autoencoder.train(autoencoder.parse([*arguments, "--decoder-only"]))
    trained = AutoencoderTiny.from_pretrained(tmp_path / "autoencoder")
    pairs = zip(tiny.float().encoder.parameters(), trained.encoder.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    assert not torch.equal(tiny.decoder.layers[0].weight, trained.decoder.layers[0].weight)


def test_a_critic_sharpens_the_decoder_and_leaves_the_latents(chain, tmp_path):
    arguments = [*autoencoder_arguments(chain, 3), "--init", str(chain.pipeline), "--decoder-only"]
    decoders = {}
    for weight in ("0", "0.5"):
        out = tmp_path / weight
        autoencoder.train(autoencoder.parse([*arguments, "--critic", weight, "--out", str(out)]))
        decoders[weight] = AutoencoderTiny.from_pretrained(out / "autoencoder")
    plain, pulled = decoders.values()
    pairs = zip(plain.encoder.parameters(), pulled.encoder.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    assert not torch.equal(plain.decoder.layers[-1].weight, pulled.decoder.layers[-1].weight)


@pytest.fixture(scope="module")
def off(chain):
    outside.main(
        ["--pipeline", str(chain.pipeline), "--out", str(chain.root / "outside"), "--files", "2", "--per-file", "2"]
    )
    return chain.root / "outside"


def test_what_lies_outside_of_pictures_stands_for_a_picture(off):
    kept = [torch.load(path, weights_only=True) for path in sorted(off.glob("*.pt"))]
    assert [one["given"].shape for one in kept] == [one["meant"].shape for one in kept] == [(6, 4, 32, 32)] * 2
    assert [one["stays"].shape for one in kept] == [(1, 4, 32, 32)] * 2
    for one in kept:
        finals, _, back = one["meant"].chunk(3)
        assert torch.equal(finals, back)
        assert torch.equal(one["given"].chunk(3)[2], back)
    assert not torch.equal(kept[0]["given"], kept[1]["given"])


@pytest.mark.parametrize(("factor", "scaled"), [(0.5, False), (1.0, False), (4.0, True)])
def test_guesses_are_scaled_into_range_and_never_up(factor, scaled):
    picture = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    guess = outside.in_range(factor * picture, picture)
    assert torch.allclose(guess, picture if scaled else factor * picture, atol=1e-5)


def calmed(chain, off, out, steps):
    arguments = ["--pipeline", str(chain.pipeline), "--latents", str(chain.latents), "--outside", str(off)]
    calm.train(
        calm.parse(
            [*arguments, "--out", str(out), "--steps", str(steps), "--batch", "8", "--lr", "1e-2", "--keep", "4"]
        )
    )
    return AutoencoderTiny.from_pretrained(out / "autoencoder")


def test_a_calmed_decoder_keeps_latents_and_later_stages_and_learns_what_lies_outside(chain, off, tmp_path):
    after = calmed(chain, off, tmp_path, 40)
    before = AutoencoderTiny.from_pretrained(chain.pipeline, subfolder="vae").float()
    upsampling = next(k for k, layer in enumerate(before.decoder.layers) if isinstance(layer, torch.nn.Upsample))
    untouched = [(before.encoder, after.encoder)]
    untouched += zip(before.decoder.layers[upsampling:], after.decoder.layers[upsampling:], strict=True)
    for one, other in untouched:
        pairs = zip(one.parameters(), other.parameters(), strict=True)
        assert all(torch.equal(*pair) for pair in pairs)
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert rows[0]["pictures"] == rows[0]["many steps"] == 0
    assert rows[-1]["outside"] < 0.7 * rows[0]["outside"]


def test_calm_goes_on_from_its_checkpoint(chain, off, tmp_path):
    calmed(chain, off, tmp_path, 3)
    calmed(chain, off, tmp_path, 5)
    assert load_checkpoint(tmp_path / "checkpoint.pt")["step"] == 5
    steps = [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert steps == [0, 3, 3, 5]


def test_the_stage_is_what_the_decoder_computes_before_its_first_upsampling(chain):
    decoder = AutoencoderTiny.from_pretrained(chain.pipeline, subfolder="vae").float().decoder
    latents = 5 * torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    seen = []
    upsampling = next(layer for layer in decoder.layers if isinstance(layer, torch.nn.Upsample))
    upsampling.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.no_grad():
        decoder(latents)
        assert torch.allclose(Trunk(decoder)(latents), seen[0], atol=1e-6)


def states_kept_once(stage, arguments, out):
    """Keep a stage's states, see that a second call leaves them alone, and return how many files there are."""
    stage.main(["states", *arguments])
    kept = {path: path.stat().st_mtime_ns for path in (out / "states").iterdir()}
    stage.main(["states", *arguments])
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    return len(kept)


def test_the_small_decoder_comes_nearer_and_goes_on_where_it_was_killed(chain, tmp_path):
    pipeline = shutil.copytree(chain.pipeline, tmp_path / "pipeline")
    torch.manual_seed(0)  # blocks as they begin; those of a few steps do next to nothing yet
    AutoencoderTiny.from_config(AutoencoderTiny.load_config(pipeline / "vae")).save_pretrained(pipeline / "vae")
    arguments = ["--pipeline", str(pipeline), "--out", str(tmp_path), "--size", "tiny", "--files", "3"]
    assert states_kept_once(preview, arguments, tmp_path) == 3
    for steps in (12, 24):
        preview.main(["train", *arguments, "--steps", str(steps), "--lr", "2e-3", "--every", "0"])
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [*range(13), *range(12, 25)]
    assert rows[-1]["guess"] > rows[0]["guess"] + 0.5
    small = AutoencoderTiny.from_pretrained(tmp_path / "vae")
    assert small.config.num_decoder_blocks == list(TINY.preview_blocks)
    assert small.decode(torch.zeros(1, 4, 32, 32)).sample.shape == (1, 3, 256, 256)


def test_the_last_stage_of_a_decoder_is_one_convolution(chain):
    decoder = AutoencoderTiny.from_pretrained(chain.pipeline, subfolder="vae").float().decoder
    latents = torch.randn(1, 4, 16, 16)
    with torch.no_grad():
        whole = decoder(latents)
        drawn = preview.last_stage(decoder)(Trunk(decoder, last=True)(latents))
    assert torch.allclose(drawn[..., 4:-4, 4:-4], whole[..., 4:-4, 4:-4], atol=1e-4)


def test_softening_goes_on_where_it_was_killed(chain, tmp_path):
    arguments = ["--pipeline", str(chain.pipeline), "--out", str(tmp_path), "--files", "2", "--runs", "1"]
    assert states_kept_once(soften, arguments, tmp_path) == 2
    for steps in (6, 12):
        soften.main(["train", *arguments, "--steps", str(steps), "--lr", "3e-3", "--batch", "8", "--every", "0"])
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [*range(7), *range(6, 13)]
    assert {name for name in rows[1] if name not in ("at", "samples_per_s")} == {
        "step",
        "train",
        "with",
        "without",
        "gap",
    }


def test_states_are_what_the_weights_guess_and_targets_lie_a_share_of_the_way(chain, tmp_path):
    arguments = ["--pipeline", str(chain.pipeline), "--out", str(tmp_path), "--files", "2", "--runs", "1"]
    soften.main(["states", *arguments])
    run = soften.Softening(soften.parse(["train", *arguments]))
    assert run.measure()["without"] < 1e-5, "the weights are still those that made the states"
    chosen = torch.arange(4)
    cond, cond_wanted = run.guess(chosen, without=False)
    uncond, uncond_wanted = run.guess(chosen, without=True)
    left = soften.share(run.states["t"][chosen])[:, None, None, None]
    assert torch.allclose(cond_wanted, uncond + left * (cond - uncond), atol=2e-3)  # they are kept in half
    assert torch.allclose(uncond_wanted, uncond, atol=2e-3)


def test_a_share_of_the_gap_is_left_at_high_noise_and_all_of_it_at_low():
    levels = torch.tensor([0, soften.LOW, (soften.LOW + soften.HIGH) // 2, soften.HIGH, 999])
    left = soften.share(levels)
    assert left.tolist() == pytest.approx([1, 1, (1 + soften.SHARE) / 2, soften.SHARE, soften.SHARE])


def test_softening_heeds_the_gap_more_than_what_both_guesses_share(chain, tmp_path):
    arguments = ["--pipeline", str(chain.pipeline), "--out", str(tmp_path), "--files", "2", "--runs", "1"]
    soften.main(["states", *arguments])
    run, chosen = soften.Softening(soften.parse(["train", *arguments])), torch.arange(6)
    run.weight = torch.full((1000,), soften.X0_CAP)
    *_, uncond, cond = run.rows(chosen)
    losses = {}
    for name, moved in (("both", (0.1, 0.1)), ("apart", (-0.1, 0.1))):
        run.unet = lambda *_, moved=moved: SimpleNamespace(sample=torch.cat([uncond + moved[0], cond + moved[1]]))
        losses[name] = float(run.error(chosen))
    assert losses == pytest.approx({"both": 0.02, "apart": 0.02 + soften.GAP * 0.04}, rel=1e-3)


def test_the_grid_keeps_its_latents_and_judges_them_by_any_decoder(chain):
    probe.main(["--scenes", str(chain.scenes), "--out", str(chain.root / "judge.pt"), "--steps", "2"])
    out = chain.root / "grid"
    arguments = [
        *("--pipeline", str(chain.pipeline), "--probe", str(chain.root / "judge.pt"), "--scenes", str(chain.scenes)),
        *("--out", str(out), "--steps", "3", "2", "--samplers", "ddim", "euler_a", "--cfg", "1", "7.5"),
    ]
    grid.main([*arguments, "--count", "2", "--sample-only"])
    kept = {path: path.stat().st_mtime_ns for path in (out / "finals").glob("*.pt")}
    assert len(kept) == 8
    grid.main([*arguments, "--count", "2", "--decoder", str(chain.pipeline / "vae"), "--name", "other"])
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    rows = json.loads((out / "other.json").read_text())
    assert {(row["sampler"], row["steps"], row["cfg"]) for row in rows} == {
        (name, steps, cfg) for name in ("ddim", "euler_a") for steps in (2, 3) for cfg in (1.0, 7.5)
    }
    lines = (out / "other.md").read_text().splitlines()
    assert lines[0] == "| DDIM, steps | 1 | 7.5 |"
    assert lines[2].startswith("| 2 | ")
    before = (out / "other.json").read_text()
    grid.main([*arguments, "--count", "2", "--name", "other"])
    assert (out / "other.json").read_text() == before  # nothing is judged twice
    first = torch.load(out / "finals" / "ddim-3-1.pt", weights_only=True)["latents"]
    grid.main([*arguments, "--count", "3", "--sample-only"])
    more = torch.load(out / "finals" / "ddim-3-1.pt", weights_only=True)["latents"]
    assert len(more) == 3
    assert torch.equal(more[:2], first)


def test_a_critic_learns_and_its_pull_is_in_proportion():
    torch.manual_seed(0)
    critic = Critic(weight=0.5, lr=2e-3, place=torch.device("cpu"))
    real, last = torch.randn(8, 3, 32, 32), torch.ones(3, 1, 1, requires_grad=True)
    decoded = 0.2 * last * torch.randn(8, 3, 32, 32)
    for _ in range(30):
        critic.learn(real, decoded)
    assert critic.judge(real).mean() > critic.judge(decoded).mean() + 1
    reconstruction = decoded.square().mean()
    (by_reconstruction,) = torch.autograd.grad(reconstruction, last, retain_graph=True)
    (by_critic,) = torch.autograd.grad(critic.pull(decoded, reconstruction, last), last)
    assert by_critic.norm() / by_reconstruction.norm() == pytest.approx(0.5, rel=1e-3)


def test_evaluation_reports_every_measure(chain):
    probe.main(["--scenes", str(chain.scenes), "--out", str(chain.root / "probe.pt"), "--steps", "3"])
    out = chain.root / "evaluation"
    evaluate.main(
        [
            *("--pipeline", str(chain.pipeline), "--probe", str(chain.root / "probe.pt")),
            *("--out", str(out), "--trained-on", "1", "20", "400"),
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
    weights, unet = load_file(path), StableDiffusionPipeline.from_pretrained(chain.pipeline).unet
    lora.add_adapter(unet, 4)
    again = lora.to_kohya(lora.from_kohya(weights, unet), 4)
    assert again.keys() == weights.keys()
    assert all(torch.equal(again[name], weights[name]) for name in weights)


def test_wording_goes_on_where_it_was_killed_and_keeps_captions_nearest(chain, tmp_path):
    arguments = ["--pipeline", str(chain.pipeline), "--out", str(tmp_path), "--files", "2"]
    assert states_kept_once(wording, arguments, tmp_path) == 2
    for steps in (20, 40):
        wording.main(["train", *arguments, "--steps", str(steps), "--batch", "4", "--texts", "16", "--every", "1000"])
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [0, 20, 20, 40]
    assert rows[0]["caption_words"] == 0
    assert rows[0]["caption"] < 1e-5 < rows[0]["other_words"], "the weights are still those that made the states"
    assert rows[-1]["caption_words"] < rows[-1]["other_words"] < rows[0]["other_words"]
    assert (tmp_path / "text_encoder" / "model.safetensors").exists()


@pytest.fixture
def enlarging(chain, tmp_path):
    arguments = ["--pipeline", str(chain.pipeline), "--latents", str(chain.latents), "--out", str(tmp_path)]
    new_words.main(["grow", *arguments])
    return new_words.Enlarging(new_words.parse(["train", *arguments]))


@pytest.mark.parametrize(("gap", "narrow"), [(1.0, 1.0), (0.7, 0.5)])
def test_the_old_guess_is_learnt_where_nothing_new_is_told_and_a_share_of_the_truth_where_it_is(enlarging, gap, narrow):
    enlarging.options.gap, enlarging.options.narrow = gap, narrow
    enlarging.known = {"landmark": ("castle", "bridge"), "time": ("dusk",)}
    scenes = [
        {"landmark": "church"},
        {"landmark": "church", "colour": "red"},
        {"landmark": "castle", "colour": "red"},
        {"landmark": "castle"},
        {"landmark": "bridge"},
        None,
    ]
    bases = ["", "", "a castle", "a castle", "a bridge", ""]
    torch.manual_seed(0)
    x_t, eps = torch.randn(6, 4, 32, 32), torch.randn(6, 4, 32, 32)
    t = torch.tensor([soften.LOW - 100, 900, 900, 900, 900, 900])
    wanted = enlarging.wanted(x_t, eps, t, scenes)
    with torch.no_grad():
        base, without = (
            enlarging.before["unet"](x_t, t, enlarging.contexts(enlarging.before["text"], texts)).sample
            for texts in (bases, [""] * 6)
        )
    for row in range(3):
        right = torch.lerp(base[row], eps[row], gap * soften.share(t)[row])
        assert torch.allclose(wanted[row], right, atol=1e-5), scenes[row]
    assert torch.allclose(wanted[3], base[3], atol=1e-5)
    assert torch.allclose(wanted[4], torch.lerp(without[4], base[4], narrow), atol=1e-5), "a new landmark that is known"
    assert torch.allclose(wanted[5], without[5], atol=1e-5)


def test_nothing_is_forgotten_by_the_model_that_remembers(chain, tmp_path):
    arguments = ["--pipeline", str(chain.pipeline), "--files", "2", "--runs", "1"]
    kept = tmp_path / "kept"
    memories.main([*arguments, "--out", str(kept)])
    texts = torch.load(kept / "000.pt", weights_only=True)["texts"]
    assert len(texts) == memories.RUNS
    ours = ["--pipeline", str(chain.pipeline), "--latents", str(chain.latents), "--out", str(tmp_path / "new")]
    new_words.main(["grow", *ours])
    run = new_words.Enlarging(new_words.parse(["train", *ours, "--memories", str(kept), "--remember", "3"]))
    part, told = run.memories.draw(3)
    with torch.no_grad():
        lost = run.forgotten(run.guess(new_words.remembered(part, told)), part)
        part["gap"] = part["gap"] + 0.1
        changed = run.forgotten(run.guess(new_words.remembered(part, told)), part)
    assert lost.max() < 1e-4, "half precision is all that is lost"
    right = run.noiser.in_x0[part["t"]] / X0_CAP**0.5 * 0.01 * (1 + soften.GAP)
    assert torch.allclose(changed, right, rtol=0.05, atol=1e-4)
    assert not set(run.memories.held) & set(np.flatnonzero(run.memories.often))
    assert torch.isfinite(run.loss())
    assert "forgotten" in run.measure()


def test_a_narrower_gap_is_remembered_as_it_is_to_be(chain, tmp_path):
    for name, gap in (("whole", "1"), ("half", "0.5")):
        arguments = ["--pipeline", str(chain.pipeline), "--landmarks", "church", "--files", "1", "--runs", "1"]
        memories.main([*arguments, "--gap", gap, "--out", str(tmp_path / name)])
    whole, half = (torch.load(tmp_path / name / "000.pt", weights_only=True) for name in ("whole", "half"))
    assert whole["texts"] == half["texts"]
    assert any("church" in text for text in whole["texts"])
    first = slice(0, memories.RUNS)  # later states lie elsewhere
    assert torch.allclose(half["gap"][first].float(), whole["gap"][first].float() / 2, atol=1e-3)


def test_new_words_go_on_where_they_were_killed(chain, tmp_path, monkeypatch):
    monkeypatch.setattr(new_words, "known_words", lambda _: {**GRAMMAR, "landmark": GRAMMAR["landmark"][:2]})
    arguments = ["--pipeline", str(chain.pipeline), "--latents", str(chain.latents), "--out", str(tmp_path)]
    new_words.main(["grow", *arguments])
    for steps in (3, 6):
        new_words.main(
            ["train", *arguments, "--steps", str(steps), "--batch", "4", "--validate", "4", "--every", "1000"]
        )
    assert load_checkpoint(tmp_path / "checkpoint.pt")["step"] == 6
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [0, 3, 3, 6]
    assert all(np.isfinite(row["new"]) for row in rows)
    from safetensors.torch import load_file

    start, taught = (
        load_file(tmp_path / name / "unet" / "diffusion_pytorch_model.safetensors") for name in ("start", "model")
    )
    assert any(not torch.equal(start[name], taught[name]) for name in start)


def moved(folder, copied, **spread):
    """A copy of a pipeline; tensors of its denoiser whose names hold a key are moved at random, so far."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(folder, copied)
    path = copied / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(path)
    for key, far in spread.items():
        tensors |= {name: w + far * torch.randn(w.shape).to(w) for name, w in tensors.items() if key in name}
    save_file(tensors, path, metadata={"format": "pt"})
    return copied


def test_a_lora_is_carried_to_a_base_that_has_changed(chain, tmp_path):
    from safetensors.torch import load_file

    torch.manual_seed(0)
    before = moved(chain.pipeline, tmp_path / "before", conv_out=0.1)  # after a few steps it guesses next to nothing
    changed, old = moved(before, tmp_path / "changed", attn2=0.3), tmp_path / "old.safetensors"
    options = [
        *("--pipeline", str(before), "--latents", str(chain.latents), "--base", str(chain.latents)),
        *("--work", str(tmp_path / "lora"), "--out", str(old), "--rank", "4", "--samples", "8", "--batch", "4"),
    ]
    lora.train(lora.parse(options))
    arguments = [
        *("--before", str(before), "--pipeline", str(changed), "--lora", str(old), "--out", str(tmp_path)),
        *("--files", "2", "--fix", "landmark=hot-air balloon", "--lr", "1e-2", "--every", "1000"),
    ]
    assert states_kept_once(carry, arguments, tmp_path) == 2
    for steps in (15, 30):
        carry.main(["train", *arguments, "--steps", str(steps)])
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [0, 15, 15, 30]
    assert rows[-1]["held_out"] < 0.9 * rows[0]["held_out"]
    given, after = load_file(old), load_file(tmp_path / "lora.safetensors")
    assert {name: value.shape for name, value in given.items()} == {name: value.shape for name, value in after.items()}
    assert all(torch.equal(given[name], after[name]) for name in given if name.endswith(".alpha"))
