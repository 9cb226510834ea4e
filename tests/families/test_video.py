"""Clips: the labs' noise and decoding by several families, and a run of `sample` from config to folder."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

import denoisecli
from denoisecli import clips
from denoisecli.config.load import load_configs, settings
from denoisecli.diffusion import call, models
from denoisecli.diffusion.batch import Batch, sample_batch
from denoisecli.diffusion.canvas import as_given, check_frames, noise_for
from denoisecli.diffusion.decode import decoder
from denoisecli.diffusion.families import BY_CLASS, FAMILIES
from denoisecli.errors import ConfigError, UsageError
from denoisecli.media.ffmpeg import ffmpeg_path
from denoisecli.registry import CONFIGS, part
from denoisecli.tools.compare.tool import compare_runs
from denoisecli.tools.render import plan as render
from tests.families import makers, newest, video_makers
from tests.told import Told

SEEDS, SIZE = [7, 21], (64, 32)
PAINTED = {"wan": 5, "ltx": 3, "hunyuan_video": 5}  # frames
RECORDED = {"wan": 5, "ltx": 3, "hunyuan_video": 5, "cogvideox": 5, "mochi": 7, "animatediff": 3}


def made(name):
    if name == "wan":
        return makers.wan(frames=5)
    return (video_makers.VIDEO | newest.NEWEST)[name]()


def size_of(path):
    with Image.open(path) as picture:
        return picture.size


@pytest.mark.parametrize("name", PAINTED)
def test_a_seed_is_the_clip_that_it_is_in_the_plain_pipeline(name):
    pipe, arguments = made(name)
    model, frames = models.model_of(pipe), PAINTED[name]
    noise = noise_for(pipe, SEEDS, SIZE, frames=frames)
    given = {key: value for key, value in arguments(2).items() if key not in ("guidance_scale", "num_frames")}
    scale = arguments(2)["guidance_scale"]
    trace = sample_batch(
        model,
        Batch(noise, [scale] * 2, SEEDS, "", 2, BY_CLASS[type(pipe).__name__].sampler, embeds=given),
    )
    plain = pipe(
        **arguments(2), height=SIZE[1], width=SIZE[0], num_inference_steps=2, output_type="latent", return_dict=False,
        generator=[torch.Generator().manual_seed(seed) for seed in SEEDS],
    )[0]  # fmt: skip
    assert trace.x_t.shape[2:] == noise.shape[1:]
    np.testing.assert_array_equal(trace.x_t[:, 0], noise.numpy())
    final = torch.from_numpy(trace.x_t[:, -1])
    assert torch.equal(final if plain.ndim == 5 else as_given(pipe, final), plain)


@pytest.mark.parametrize("name", RECORDED)
@pytest.mark.filterwarnings("ignore:In CPU autocast:UserWarning")
def test_frames_are_decoded_as_the_pipeline_does(name):
    """Every frame of the clip, and of them the ones at which each of the latents' frames begins."""
    pipe, arguments = made(name)
    pipe.set_progress_bar_config(disable=True)
    told = {"height": 32, "width": 64, "num_inference_steps": 2, "return_dict": False}
    with denoisecli.record(pipe) as trace:
        pipe(**(told | arguments(1)), output_type="latent", generator=torch.Generator().manual_seed(1))
    own = pipe(**(told | arguments(1)), output_type="np", generator=torch.Generator().manual_seed(1))[0]
    full = decoder(models.model_of(pipe), "vae")
    latents = trace.x_t[0, -1] / (np.sqrt(1 + trace.sigmas[-1] ** 2) if trace.record["schedule_kind"] == "ve" else 1)
    clip = full.clip(latents)
    assert clip.shape == own[0].shape
    np.testing.assert_allclose(clip, own[0] * 255, atol=1.01)
    assert full.decode(latents[None]).shape == (1, trace.record["latents"]["frames"], *clip.shape[1:])


@pytest.mark.parametrize(
    ("length", "frames", "places"), [(9, 3, [0, 4, 8]), (5, 5, [0, 1, 2, 3, 4]), (8, 2, [0, 7]), (12, 4, [0, 3, 6, 9])]
)
def test_the_frames_at_which_latents_begin(length, frames, places):
    clip = np.arange(length, dtype=np.uint8)[:, None, None, None]
    assert clips.first_of_each(clip, frames).ravel().tolist() == places


@pytest.mark.parametrize(
    ("frames", "show", "shown"),
    [(1, "grid", [0]), (5, "middle", [2]), (5, "grid", [0, 1, 3, 4]), (21, "grid", [0, 2, 5, 8, 10, 12, 15, 18, 20])],
)
def test_which_frames_are_shown(frames, show, shown):
    assert clips.shown_frames(frames, show) == shown


@pytest.mark.parametrize(
    ("count", "ratio", "grid"), [(4, 1.7, (2, 2)), (2, 2.0, (2, 1)), (2, 0.6, (1, 2)), (6, 1, (2, 3)), (9, 1.7, (3, 3))]
)
def test_a_grid_is_full_and_as_wide_as_a_panel(count, ratio, grid):
    assert clips.grid_of(count, ratio) == grid


def test_planes_of_latents_lie_as_those_of_pictures():
    record = {"latents": {"frames": 4}, "config": {"video": {"frames": 13, "show": "grid"}}}
    latents = np.random.default_rng(0).normal(size=(2, 3, 5, 4, 6, 8))
    plane = clips.on_plane(latents, record)
    assert plane.shape == (2, 3, 5, 12, 16)
    np.testing.assert_array_equal(plane[1, 2, :, 6:, :8], latents[1, 2, :, 2])
    np.testing.assert_array_equal(clips.frames_as_channels(latents, record)[0, 0, 7], latents[0, 0, 1, 3])


@pytest.fixture(scope="module")
def clip_of(folders, tmp_path_factory):
    """Return what makes a run of clips on a family; the same one is made once."""
    root, known = tmp_path_factory.mktemp("clips"), {}

    def make(name, *pairs):
        if (name, pairs) not in known:
            given = [f"model={folders(name)}", "size=64x64", "film.size=640x360", "film.hold_s=0.1", "device=cpu",
                     "seeds=[1,2]", "steps=3", "views=[guess,latent]", *pairs]  # fmt: skip
            config = load_configs(CONFIGS["sample"], [], [settings(CONFIGS["sample"], given)])[0]
            run = part("sample", "plan")(config, root / f"{name}-{len(known)}", None, force=False)
            run.make(Told())
            known[name, pairs] = run.folder.path
        return known[name, pairs]

    return make


@pytest.mark.parametrize(("name", "frames", "latent"), [("wan", 9, 5), ("ltx", 5, 3)])
def test_a_deck_of_clips_shows_their_frames_in_a_grid(clip_of, name, frames, latent):
    folder = clip_of(name, f"video={frames}")
    trace = denoisecli.load(folder)
    assert trace.x_t.shape[:4] == (2, 4, trace.x_t.shape[2], latent)
    assert trace.record["latents"]["frames"] == latent
    assert trace.record["config"]["video"] == {"frames": frames, "show": "grid"}
    assert repr(trace) == f"Trace(sample, 2 seeds, 4 states, {'×'.join(map(str, trace.x_t.shape[2:]))})"
    columns, rows = (2, 2) if latent == 5 else (3, 1)
    assert size_of(folder / "images" / "seed-1.png") == (64 * columns, 64 * rows)
    for file in ("film.mp4", "sheet.png", "page.html", "views/latent.mp4", "clips/seed-2.mp4"):
        assert (folder / file).stat().st_size > 1000
    assert trace.record["runs"][0]["states"][0]["x_norm"] == pytest.approx(1, abs=0.2)
    assert set(trace.record["runs"][0]["committed_at"]) == {"layout", "detail"}


def test_a_clip_plays_at_its_familys_pace_with_every_frame(clip_of):
    import subprocess

    folder = clip_of("wan", "video=9")
    told = subprocess.run(
        [ffmpeg_path(), "-i", folder / "clips" / "seed-1.mp4", "-f", "null", "-"],
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    assert "16 fps" in told
    assert "frame=    9" in told


def test_the_middle_frame_alone_is_as_large_as_the_picture(clip_of):
    folder = clip_of("wan", 'video={frames: 9, show: "middle"}')
    assert size_of(folder / "images" / "seed-1.png") == (64, 64)
    grid, middle = (denoisecli.load(clip_of("wan", how)) for how in ("video=9", 'video={frames: 9, show: "middle"}'))
    np.testing.assert_array_equal(grid.x_t, middle.x_t)
    assert compare_runs(grid.folder, middle.folder, Told()).record["verdict"] == "bit-equal"


def test_a_run_of_clips_is_drawn_again_without_the_model(clip_of, tmp_path):
    folder = clip_of("wan", "video=9")
    render(folder, ["film.theme=light"], tmp_path / "again", force=False).make(Told())
    assert (tmp_path / "again" / "sheet.png").stat().st_size > 1000


def test_pictures_have_no_video_in_their_config(clip_of):
    told = json.loads((clip_of("wan", "video=9") / "trace.json").read_text())
    assert told["config"]["video"]["frames"] == 9
    assert "video" not in CONFIGS["sample"]().model_dump()


@pytest.mark.parametrize(
    ("name", "count", "message"),
    [
        ("wan", 6, "video: this model paints 1 frame or 1 more than a multiple of 2"),
        ("flux", 5, "video: this model paints single pictures, no clips"),
    ],
)
def test_frames_that_a_model_does_not_paint_are_refused(name, count, message):
    pipe, _ = made(name) if name == "wan" else makers.MAKERS[name]()
    with pytest.raises(UsageError, match=message):
        check_frames(pipe, count)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("video=0", "frames"),
        ("video={frames: 5, show: film}", "show"),
        ("video={length: 5}", "length"),
        ("video={frames: 5}\nstart=a.png", "a clip starts from noise alone"),
        ("video={frames: 5}\nphases=[{until: 0.5}, {scale: 2}]", "a clip stays at one size"),
    ],
)
def test_what_frames_takes(given, message):
    with pytest.raises(ConfigError, match=message):
        load_configs(CONFIGS["sample"], [], [settings(CONFIGS["sample"], given.split("\n"))])


@pytest.mark.parametrize("name", RECORDED)
@pytest.mark.filterwarnings("ignore:In CPU autocast:UserWarning")
def test_a_recorded_clip_is_saved_with_its_pictures(name, tmp_path):
    pipe, arguments = made(name)
    with denoisecli.record(pipe) as trace:
        pipe(**({"height": 32, "width": 64, "num_inference_steps": 2} | arguments(1)), output_type="latent",
             generator=torch.Generator().manual_seed(1))  # fmt: skip
    folder = trace.save(tmp_path / "run", pictures=True, size="640x360", hold_s=0.1)
    read = denoisecli.load(folder)
    assert read.record["config"]["video"] == {"frames": RECORDED[name], "show": "grid"}
    for file in ("film.mp4", "sheet.png", "page.html", "clips"):
        assert (folder / file).stat().st_size > 500
    named = [path.stem for path in (folder / "images").iterdir()]
    assert [path.stem for path in (folder / "clips").iterdir()] == named


@pytest.mark.parametrize(
    "family", [family for family in FAMILIES if family.fps and family.labs], ids=lambda one: one.name
)
def test_where_no_clip_is_asked_for_one_frame_is_painted(family):
    """The pipelines' own default is a clip of minutes; labs evaluate them for encodings and single guesses, too."""
    pipe = type(family.pipelines[0], (), {})()
    assert call.steps(pipe, 1)["num_frames"] == 1
