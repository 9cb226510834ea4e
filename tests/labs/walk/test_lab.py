"""The walk lab: its way against the formula, its frames against single runs, its pacing, and its folder."""

import json
import math
import signal
import subprocess
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import torch
from PIL import Image

import denoisecli
from denoisecli.config.load import load_configs, settings
from denoisecli.diffusion.noise import starting_noise
from denoisecli.errors import ConfigError, DenoiseError
from denoisecli.labs.films import CARD_S
from denoisecli.labs.walk.config import WalkConfig
from denoisecli.labs.walk.lab import plan
from denoisecli.labs.walk.pacing import jumps, next_places, thinned
from denoisecli.labs.walk.places import Place, even_places, midpoint
from denoisecli.report import Report
from tests import warm
from tests.digests import digests
from tests.told import Told
from tests.waiting import wait_until

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "trace.schema.json").read_text())
SMALL = ["steps=2", "size=64", "film.size=320x320", "film.hold_s=0.1"]
LATENT = (4, 8, 8)

pytestmark = pytest.mark.usefixtures("kept_model")


def config(*pairs):
    return load_configs(WalkConfig, [], [settings(WalkConfig, [*SMALL, *pairs])])[0]


def made(folder, *pairs):
    return denoisecli.load(plan(config(*pairs), folder, None, force=False).make(Report()))


# The way, without a model


@pytest.mark.parametrize(
    ("legs", "frames", "loop", "count"),
    [
        pytest.param(1, 2, False, 2, id="only the ends"),
        pytest.param(1, 60, False, 60, id="one leg"),
        pytest.param(2, 60, False, 119, id="two legs share a frame"),
        pytest.param(3, 60, True, 177, id="a loop ends before its start"),
    ],
)
def test_every_place_is_there_once(legs, frames, loop, count):
    places = even_places(legs, frames, loop=loop)
    assert len(places) == len({place.leg + place.share for place in places}) == count
    assert places == sorted(places)
    ends = [place.leg + place.share for place in places if place.end is not None]
    assert ends == list(range(legs + (not loop)))


def test_middles_also_where_a_loop_closes():
    assert midpoint(Place(0, 0.5), Place(1, 0.0)) == Place(0, 0.75)
    assert midpoint(Place(0, 0.5), Place(0, 1.0)) == Place(0, 0.75)
    assert midpoint(Place(2, 0.5), Place(0, 0.0)) == Place(2, 0.75)


def uneven(a, b):
    """A world in which all change happens at a quarter of the way."""
    x, y = (math.tanh(30 * (place.leg + place.share - 0.25)) for place in (a, b))
    return abs(x - y)


def test_perceptual_pacing_finds_the_place_of_change():
    places = even_places(1, 12, loop=False)
    before = max(jumps(places, uneven, loop=False))
    for _ in range(10):
        places = sorted([*places, *next_places(places, uneven, 2, loop=False)])
    after = thinned(places, 12, uneven, loop=False)
    assert len(after) == 12
    assert {place.share for place in after} >= {0.0, 1.0}
    assert max(jumps(after, uneven, loop=False)) < before / 2


def test_pacing_stops_at_its_bound():
    places = even_places(1, 12, loop=False)
    assert next_places(places, uneven, 4, bound=5.0, loop=False) == []
    assert next_places(places, lambda a, b: 0.0, 4, loop=False) == []


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        pytest.param("seeds=[7]", "a walk needs two seeds or more, not 1; try [7, 8]", id="one seed"),
        pytest.param("seeds=[7, 7]", "seed 7 is there twice", id="the same seed"),
        pytest.param("seeds=1-65", "too many for one walk", id="too many seeds"),
        pytest.param("frames=0", "0 is out of range (want 2 to 10000)", id="no frames"),
        pytest.param("frames=1", "1 is out of range", id="one frame"),
        pytest.param("frames=100000", "100000 is out of range", id="too many frames"),
        pytest.param("pacing=perceptal", 'did you mean "perceptual"?', id="pacing misspelt"),
        pytest.param("between.prompts=[a]", "a walk needs two prompts or more, not 1", id="one prompt"),
        pytest.param("between={prompts: [a, b], scales: [1, 2]}", "one only", id="two kinds at once"),
        pytest.param("between.scales=[3, 3]", "3.0 follows itself", id="no way between equals"),
        pytest.param("batch=0", "0 is out of range (want 1 to 1024)", id="no batch"),
        pytest.param("between.scales=[-1, 3]", "-1 is out of range (want 0 to 100)", id="negative scale"),
        pytest.param("between.scales=[1, 1000000]", "out of range (want 0 to 100)", id="scale of a million"),
        pytest.param("between.scales=[3, .nan]", "not a finite number", id="not a number"),
        pytest.param("between.strengths=[0, 1]", "but there are none", id="strength of no LoRA"),
        pytest.param("between.speeds=[0, 1]", "unknown key", id="unknown kind"),
    ],
)
def test_bad_input_is_one_sentence(pair, said):
    with pytest.raises(ConfigError) as error:
        config(pair)
    assert said in error.value.message
    assert error.value.exit_code == 2


def test_other_walks_take_one_noise():
    assert config("between.scales=[1, 7.5]").seeds == (7,)
    with pytest.raises(ConfigError, match="there are 2 seeds"):
        config("between.scales=[1, 7.5]", "seeds=[1, 2]")


def test_committed_config_is_the_default():
    from denoisecli.config.write import commented_yaml

    assert (Path(__file__).parents[3] / "configs" / "walk.yaml").read_text() == commented_yaml(WalkConfig)


# The walk, on the pocket model


@pytest.fixture(scope="module")
def walked(tmp_path_factory):
    """A small walk over two legs, made once for all that only look at it."""
    folder = tmp_path_factory.mktemp("walk") / "run"
    return folder, made(folder, "seeds=[7, 21, 42]", "frames=4", "batch=4")


def formula(a, b, t):
    """Shoemake's slerp of the directions in plain NumPy, in float64; the norm goes straight from one to the other."""
    norms = np.linalg.norm(a), np.linalg.norm(b)
    a, b = a.astype(np.float64) / norms[0], b.astype(np.float64) / norms[1]
    theta = math.acos(float((a * b).sum()))
    turned = (math.sin((1 - t) * theta) * a + math.sin(t * theta) * b) / math.sin(theta)
    return turned * ((1 - t) * norms[0] + t * norms[1])


def test_noises_follow_the_formula_and_keep_their_norm(walked):
    x_T = walked[1]["x_T"]
    noises = starting_noise([7, 21, 42], LATENT).numpy()
    assert x_T.shape == walked[1]["final"].shape == (7, *LATENT)
    for frame, end in ((0, 0), (3, 1), (6, 2)):
        assert np.array_equal(x_T[frame], noises[end])
    for frame in range(7):
        leg, share = divmod(frame, 3) if frame < 6 else (1, 3)
        assert x_T[frame] == pytest.approx(formula(*noises[leg : leg + 2], share / 3), abs=1e-6)


def test_a_frame_is_the_plain_pipelines_run_of_its_noise(walked):
    """Bit by bit, in a batch of the same shape; diffusers alone, without a recorder."""
    from denoisecli.diffusion.models import load_model
    from denoisecli.diffusion.scheduler import use_sampler

    trace, model = walked[1], load_model("pocket")
    use_sampler(model.pipe, "ddim")
    model.pipe.set_progress_bar_config(disable=True)
    frame = 2
    sample = trace.record["runs"][frame]["sample"]
    batch = next(batch for batch in trace.record["batches"] if sample in batch)
    alone = model.pipe(
        config().prompt, num_images_per_prompt=len(batch), latents=torch.from_numpy(trace["x_T"][[frame] * len(batch)]),
        height=64, width=64, num_inference_steps=2, guidance_scale=7.5, output_type="latent",
    ).images  # fmt: skip
    assert np.array_equal(alone[batch.index(sample)].numpy(), trace["final"][frame])


def test_ends_are_sampled_first(walked):
    runs = walked[1].record["runs"]
    assert [run["sample"] for run in runs if run["seed"] is not None] == [0, 1, 2]
    assert sorted(run["sample"] for run in runs) == list(range(len(runs)))


def test_folder_and_trace(walked):
    folder, trace = walked
    names = {
        "config.yaml",
        "film.mp4",
        "views/steps.mp4",
        "sheet.png",
        "page.html",
        "pictures.zip",
        "states.safetensors",
    }
    assert digests(folder, but="trace.json").keys() == names | {f"images/seed-{seed}.png" for seed in (7, 21, 42)}
    jsonschema.validate(trace.record, SCHEMA)
    assert [run["seed"] for run in trace.record["runs"]] == [7, None, None, 21, None, None, 42]
    assert trace.record["runs"][-1]["jump"] is None
    assert trace.record["walk"]["angles_deg"] == pytest.approx([90, 90], abs=8)
    found = [run["jump"] for run in trace.record["runs"][:-1]]
    assert trace.record["walk"]["jumps"]["even"]["largest"] == pytest.approx(max(found), abs=1e-5)
    assert trace.record["batches"] == [[0, 1, 2, 3], [4, 5, 6]]
    with Image.open(folder / "images" / "seed-21.png") as image:
        assert "Seed: 21" in image.text["parameters"]


def test_film_runs_there_and_back_and_rests_at_the_ends(walked):
    import av

    card = round(CARD_S * walked[1].record["config"]["film"]["fps"])
    with av.open(walked[0] / "film.mp4") as film:
        assert sum(1 for _ in film.decode(video=0)) == 2 * 7 - 1 + 5 + card  # two ticks at each of the five ends passed


def test_perceptual_pacing_has_no_larger_jump(tmp_path):
    trace = made(tmp_path / "run", "seeds=[7, 21]", "frames=6", "pacing=perceptual", "extra=5", "batch=2")
    walk = trace.record["walk"]
    assert walk["sampled"] == 11
    assert len(trace["x_T"]) == walk["jumps"]["perceptual"]["frames"] == walk["jumps"]["even"]["frames"] == 6
    assert walk["jumps"]["perceptual"]["largest"] <= walk["jumps"]["even"]["largest"]
    shares = [run["share"] for run in trace.record["runs"]]
    assert shares[0] == 0
    assert shares[-1] == 1
    jsonschema.validate(trace.record, SCHEMA)


def test_between_prompts_the_noise_stays_and_the_ends_are_plain_runs(tmp_path):
    trace = made(tmp_path / "run", "between.prompts=[a lighthouse, a snowy mountain]", "frames=3", "cfg=3")
    assert np.array_equal(trace["x_T"][0], trace["x_T"][2])
    plain = made(tmp_path / "plain", "prompt=a snowy mountain", "seeds=[7, 8]", "frames=3", "cfg=3")
    assert np.array_equal(trace["final"][2], plain["final"][0])  # seed 7 alone, the prompt as text
    assert {path.name for path in (tmp_path / "run" / "images").iterdir()} == {"prompt-1.png", "prompt-2.png"}


def test_between_scales(tmp_path):
    trace = made(tmp_path / "run", "between.scales=[1, 3, 9, 1]", "frames=2", "loop=false")
    assert [run["cfg"] for run in trace.record["runs"]] == [1, 3, 9, 1]
    assert np.array_equal(trace["final"][0], trace["final"][3])
    images = [row["path"] for row in trace.record["artifacts"] if row["kind"] == "image"]
    assert images == ["images/cfg-1.png", "images/cfg-3.png", "images/cfg-9.png"]


@pytest.fixture
def two(tmp_path):
    """Two pictures: a smooth one of the run's shape, and a wide one that is transparent in places."""
    grey = np.linspace(0, 255, 64, dtype=np.uint8)
    Image.fromarray(np.stack([np.tile(grey, (64, 1)), np.full((64, 64), 90, np.uint8)] * 2, -1)[..., :3]).save(
        tmp_path / "a.png"
    )
    Image.new("RGBA", (160, 80), (200, 30, 30, 120)).save(tmp_path / "b.png")
    return [str(tmp_path / name) for name in ("a.png", "b.png")]


def test_between_own_pictures_the_ends_are_runs_that_start_from_them(two, tmp_path):
    """Encoded, noised with the one seed's noise, painted anew; what becomes of them is told as `start` tells it."""
    report, steps = Told(), "steps=4"
    pairs = [f"between={{images: [{', '.join(two)}], strength: 0.5}}", "frames=3", steps]
    trace = denoisecli.load(plan(config(*pairs), tmp_path / "run", None, force=False).make(report))
    jsonschema.validate(trace.record, SCHEMA)
    walk = trace.record["walk"]
    assert [row["image"] for row in walk["pictures"]] == ["a.png", "b.png"]
    assert [row["size"] for row in walk["pictures"]] == [[64, 64], [160, 80]]
    assert (walk["strength"], walk["state"], walk["sigma"]) == (0.5, 2, trace.record["schedule"][2]["sigma"])
    assert len(trace.record["schedule"]) == 5
    assert [text.partition(" ")[0] for text in report.warnings if "between" in text] == ["between.images[1]"] * 2
    assert {path.name for path in (tmp_path / "run" / "images").iterdir()} == {"picture-1.png", "picture-2.png"}
    for end, image in ((0, two[0]), (2, two[1])):
        own = made(
            tmp_path / f"own-{end}", f"start={{image: {image}, strength: 0.5}}", steps, "seeds=[7, 8]", "frames=2"
        )
        assert trace["final"][end] == pytest.approx(own["final"][0], abs=1e-4)
    assert np.abs(trace["final"][1] - trace["final"][0]).max() > 0.01


def test_between_own_pictures_by_inversion_the_ends_come_back(two, tmp_path):
    """From noises of their own, at cfg 1: nearer than noised, and the way between is an arc."""
    pairs = [f"between={{images: [{', '.join(two)}], inversion: true}}", "frames=3", "steps=10", "cfg=1"]
    trace = made(tmp_path / "run", *pairs)
    jsonschema.validate(trace.record, SCHEMA)
    walk = trace.record["walk"]
    assert walk["inversion"]
    assert 0 < walk["angles_deg"][0] < 180
    assert not np.array_equal(trace["x_T"][0], trace["x_T"][2])
    assert max(row["apart"] for row in walk["pictures"]) < 0.2


def test_another_picture_at_an_end_is_another_run(two, tmp_path):
    pairs = [f"between.images=[{', '.join(two)}]", "frames=2"]
    hashes = [plan(config(*pairs), None, tmp_path, force=False).folder.hash]
    Image.new("RGB", (64, 64)).save(two[0])
    assert plan(config(*pairs), None, tmp_path, force=False).folder.hash != hashes[0]


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (["between={images: [A, B], inversion: true}", "sampler=euler_a"], "draws noise on the way, so no noise leads"),
        (["between={images: [A, B], strength: 0.1}"], "less than one of 2 steps"),
        (["between={images: [A, nowhere.png]}"], r"between.images\[1\]: there is no picture at nowhere.png"),
        (["between={images: [A, B], strength: 0}"], "greater than 0|out of range"),
        (["between={images: [A, B], strength: .nan}"], "finite number"),
        (["between={images: [A, B], strength: 0.5, inversion: true}"], "goes all the way to noise"),
        (["between={scales: [1, 3], inversion: true}"], "inversion is of images"),
        (["between={scales: [1, 3], strength: 0.5}"], "strength is of images"),
        (["between={images: [A]}"], "a walk needs two images or more, not 1"),
        (["between={images: [A, B]}", "start=A"], "leave start out"),
    ],
)
def test_what_cannot_be_walked_between_pictures(two, tmp_path, pairs, message):
    named = [pair.replace("A", two[0]).replace("B", two[1]) for pair in pairs]
    with pytest.raises(DenoiseError, match=message):
        plan(config(*named), tmp_path / "run", None, force=False)


def test_between_lora_strengths(tmp_path):
    from tests.lora.made import pocket_tensors, save

    lora = save(pocket_tensors(rank=4), tmp_path / "bent.safetensors")
    pairs = ["seeds=[7]", "frames=3", f"loras=[{{file: {lora}, scale: 0.5}}]"]
    trace = made(tmp_path / "run", "between.strengths=[0, 1]", *pairs)
    assert trace.record["batches"] == [[0], [1], [2]]
    off = made(tmp_path / "off", "seeds=[7, 8]", "frames=2", "batch=1")
    on = made(tmp_path / "on", "seeds=[7, 8]", "frames=2", "batch=1", *pairs[2:])
    assert trace["final"][0] == pytest.approx(off["final"][0], abs=1e-4)
    assert np.array_equal(trace["final"][2], on["final"][0])
    assert np.abs(trace["final"][0] - trace["final"][2]).max() > 0.01


@pytest.fixture
def sampled(monkeypatch):
    """The sizes of the batches that were really sampled."""
    from denoisecli.labs import sampling

    sizes, original = [], sampling.sampled
    monkeypatch.setattr(
        sampling,
        "sampled",
        lambda job, model, samples, *more: sizes.append(len(samples)) or original(job, model, samples, *more),
    )
    return sizes


def test_killed_anywhere_it_goes_on_with_the_same_bytes(tmp_path, sampled):
    pairs = ["seeds=[7, 21]", "frames=4", "batch=1", "pacing=perceptual", "extra=3"]
    flags = [part for pair in [*SMALL, *pairs] for part in ("--set", pair)]
    command = [warm.command(), "walk", *flags, "-o", str(tmp_path / "run"), "--quiet"]
    work = tmp_path / "run.partial" / "work"
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        wait_until((work / "batch-00004-1.safetensors").exists)  # the first batch that pacing asked for
        process.kill()
        assert process.stdout.read() == b""  # the pipe is closed when the command is dead too
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "run").exists()
    kept = len(list(work.glob("batch-*.safetensors")))
    resumed = made(tmp_path / "run", *pairs)
    assert len(sampled) == 7 - kept <= 2
    whole = made(tmp_path / "whole", *pairs)
    assert digests(tmp_path / "run", but="trace.json") == digests(tmp_path / "whole", but="trace.json")
    assert resumed.record["runs"] == whole.record["runs"]


def test_a_distilled_model_walks(tmp_path, distilled):
    """Its scale is an input that a call shares, so a walk between scales takes a call for each, whatever the batch."""
    trace = made(tmp_path / "run", f"model={distilled}", "seeds=[7, 21]", "frames=3")
    assert [run["cfg"] for run in trace.record["runs"]] == [7.5] * 3
    scales = [f"model={distilled}", "between.scales=[1, 9]", "frames=3"]
    together = made(tmp_path / "batch", *scales)["final"]
    finals = made(tmp_path / "scales", *scales, "batch=1")["final"]
    assert np.abs(finals[0] - finals[2]).max() > 0
    assert together == pytest.approx(finals, abs=1e-4)


def test_scale_0_is_the_unconditional_run(tmp_path):
    trace = made(tmp_path / "run", "between.scales=[0, 3]", "frames=3")
    assert [run["cfg"] for run in trace.record["runs"]] == [0, 1.5, 3]
    nothing = made(tmp_path / "nothing", "between.scales=[0, 3]", "frames=2", "prompt=a snowy mountain")
    assert trace["final"][0] == pytest.approx(nothing["final"][0], abs=1e-4)  # no prompt is heard
    assert np.abs(trace["final"][-1] - nothing["final"][-1]).max() > 0.01


def test_interrupted_in_the_middle_of_a_batch_it_keeps_the_batches_before(tmp_path):
    pairs = ["seeds=[7, 21]", "frames=4", "batch=2", "steps=20"]
    flags = [part for pair in [*SMALL, *pairs] for part in ("--set", pair)]
    command = [warm.command(), "walk", *flags, "-o", str(tmp_path / "run"), "--json"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            event = json.loads(line)
            if event["event"] == "step" and event["done"] > 2 * 20:  # in the second batch
                process.send_signal(signal.SIGINT)
                break
        said = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert said.splitlines()[-1] == "Interrupted. The same command goes on after the last batch that was finished."
    partial = tmp_path / "run.partial"
    assert [path.name for path in partial.glob("work/batch-*.safetensors")] == ["batch-00000-2.safetensors"]
    assert not list(partial.glob(".*part*"))
    made(tmp_path / "run", *pairs)
    made(tmp_path / "whole", *pairs)
    assert digests(tmp_path / "run", but="trace.json") == digests(tmp_path / "whole", but="trace.json")


def test_a_loop_ends_before_its_start(tmp_path):
    trace = made(tmp_path / "run", "between.scales=[1, 3, 9]", "frames=3", "loop=true", "cross_fade=true")
    assert [run["cfg"] for run in trace.record["runs"]] == [1, 2, 3, 6, 9, 5]
    assert trace.record["runs"][-1]["jump"] is not None
    assert (tmp_path / "run" / "views" / "cross-fade.mp4").exists()
