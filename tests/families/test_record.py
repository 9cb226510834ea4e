"""record() on a tiny random pipeline of every family: bit-equal, unpacked, its guidance measured."""

import copy
import inspect

import numpy as np
import pytest
import torch

from denoisecli.diffusion import latent_layout
from denoisecli.diffusion.families import family_named
from denoisecli.diffusion.recorder import record
from denoisecli.errors import UsageError
from denoisecli.process.x0 import Level, predicted_x0
from tests.families import makers, newest, video_makers

HEIGHT, WIDTH, STEPS, N = 32, 64, 2, 2

# family: the axes of one state, the effective scale of the steps, cfg in the record, the sign of the transformer
EXPECTED = {
    "z_image": ((4, 16, 32), 5.0, 4.0, -1),
    "flux": ((4, 16, 32), 1.0, 3.5, 1),
    "flux_true_cfg": ((4, 16, 32), 4.0, 4.0, 1),
    "chroma": ((4, 16, 32), 4.0, 4.0, 1),
    "flux2": ((4, 16, 32), 1.0, 4.0, 1),
    "flux2_klein": ((4, 16, 32), 4.0, 4.0, 1),
    "flux2_klein_distilled": ((4, 16, 32), 1.0, 1.0, 1),
    "qwen_image": ((4, 16, 32), 4.0, 4.0, 1),
    "krea2": ((4, 16, 32), 4.0, 3.0, 1),
    "ernie": ((4, 16, 32), 4.0, 4.0, 1),
    "lumina2": ((4, 4, 8), 4.0, 4.0, -1),  # the pipeline's factor is 8, whatever the autoencoder's
    "sana": ((4, 16, 32), 4.0, 4.0, 1),
    "sana_sprint": ((4, 16, 32), None, 4.0, 1),
    "pixart": ((4, 16, 32), 4.0, 4.0, 1),
    "auraflow": ((4, 16, 32), 4.0, 4.0, 1),
    "cogview4": ((4, 16, 32), 4.0, 4.0, 1),
    "kandinsky5": ((4, 8, 8), 4.0, 4.0, 1),
    "hidream": ((4, 8, 16), 4.0, 4.0, -1),
    "wan": ((4, 16, 32), 4.0, 4.0, 1),
    "wan_two_denoisers": ((4, 16, 32), 4.0, 4.0, 1),
    "wan_video": ((4, 3, 16, 32), 4.0, 4.0, 1),
    "hunyuan_image": ((4, 16, 32), 4.0, 4.0, 1),
    "ltx": ((8, 2, 16, 32), 4.0, 4.0, 1),
    "hunyuan_video": ((4, 2, 16, 32), 1.0, 6.0, 1),
    "cogvideox": ((4, 3, 16, 32), 4.0, 4.0, 1),
    "cogvideox_dpm": ((4, 3, 16, 32), 4.0, 4.0, 1),
    "mochi": ((12, 2, 4, 8), 4.0, 4.0, 1),
    "ideogram4": ((4, 16, 32), 4.0, 4.0, -1),
}
ALL = makers.MAKERS | video_makers.VIDEO | {"ideogram4": newest.ideogram4}
PACKERS = {"flux", "chroma", "qwen_image", "krea2", "flux2", "flux2_klein", "ernie"}
NORMED = {"qwen_image", "lumina2"}

pytestmark = [
    pytest.mark.filterwarnings("ignore:`FluxPosEmbed` is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:In CPU autocast:UserWarning"),  # Mochi asks for float32 so
]


def call(pipe, arguments, **more):
    given = {
        "height": HEIGHT,
        "width": WIDTH,
        "num_inference_steps": STEPS,
        "output_type": "latent",
        "generator": [torch.Generator().manual_seed(seed) for seed in range(N)],
        "return_dict": False,
    }
    return pipe(**(arguments(N) | given | more))[0]


@pytest.fixture(scope="module")
def recorded():
    """Each family's pipeline, what it gave alone and under the recorder, what its scheduler got, and the trace."""
    known = {}

    def of(name):
        if name not in known:
            pipe, arguments = ALL[name]()
            plain, got = call(pipe, arguments), []
            own = type(pipe.scheduler).step

            def spy(self, *told, **named):
                given = inspect.signature(own).bind(self, *told, **named).arguments
                got.append((given["sample"].clone(), given["model_output"].clone()))
                return own(self, *told, **named)

            with pytest.MonkeyPatch.context() as patch:
                spy.__signature__ = inspect.signature(own)
                patch.setattr(type(pipe.scheduler), "step", spy)
                with record(pipe) as trace:
                    result = call(pipe, arguments)
            known[name] = pipe, plain, result, got, trace
        return known[name]

    return of


def layout(pipe, trace, sample):
    """Return the layout that the trace was unpacked by, made anew from its own description."""
    note = trace.record["latents"]
    kind = note["kind"]
    shape = trace.x_t.shape[2:]
    frames = shape[1] if len(shape) == 4 else 1
    grid = (frames, shape[-2] // note["patch"], shape[-1] // note["patch"])
    if kind == "plain" and sample.ndim == 5:
        kind = "frames"
    family = family_named(type(pipe).__name__)
    return latent_layout.Layout(kind, grid, note["patch"], bool(family and family.patch_first), note["scale"])


def test_every_maker_is_expected():
    assert set(EXPECTED) == set(ALL)


@pytest.mark.parametrize("name", EXPECTED)
def test_recording_changes_no_bit_and_leaves_nothing_behind(recorded, name):
    pipe, plain, result, _, _ = recorded(name)
    assert torch.equal(plain, result)
    assert not {"step", "set_timesteps", "__deepcopy__"} & set(vars(pipe.scheduler))
    assert not {"check_inputs", "prepare_latents"} & set(vars(pipe))
    assert not pipe.transformer._forward_hooks


@pytest.mark.parametrize("name", EXPECTED)
def test_states_are_unpacked(recorded, name):
    pipe, _, _, got, trace = recorded(name)
    shape = EXPECTED[name][0]
    assert trace.x_t.shape == (N, STEPS + 1, *shape)
    assert trace.x0.shape == (N, STEPS, *shape)
    assert trace.sigmas.shape == trace.timesteps.shape == trace.alpha_bars.shape == (STEPS + 1,)
    assert (np.diff(trace.sigmas) < 0).all()
    assert trace.record["model"]["latent_shape"] == list(shape)
    to = layout(pipe, trace, got[0][0])
    for state, (sample, _) in enumerate(got):
        assert torch.equal(to.pack(torch.from_numpy(trace.x_t[:, state])), sample.float())


@pytest.mark.parametrize("name", [name for name in EXPECTED if name not in ("flux2_klein", "flux2_klein_distilled")])
def test_the_last_state_is_the_result(recorded, name):
    """FLUX.2 klein alone gives latents that are no state: its autoencoder's statistics are taken off."""
    pipe, _, result, got, trace = recorded(name)
    if name == "sana_sprint":
        assert torch.equal(torch.from_numpy(trace.x_t[:, -1]), result.float())
    else:
        assert torch.equal(layout(pipe, trace, got[0][0]).pack(torch.from_numpy(trace.x_t[:, -1])), result.float())


@pytest.mark.parametrize("name", EXPECTED)
def test_the_scale_is_measured_and_the_halves_mix_to_what_the_scheduler_got(recorded, name):
    pipe, _, _, got, trace = recorded(name)
    _, scale, cfg, sign = EXPECTED[name]
    assert [run["cfg"] for run in trace.record["runs"]] == [cfg] * N
    assert trace.record["guidance"]["sign"] == sign
    to = layout(pipe, trace, got[0][0])
    for step, row in enumerate(trace.record["guidance_measured"]):
        assert row["scale"] == (None if scale is None else pytest.approx(scale, abs=1e-4))
        if scale is None:
            continue
        mixed = torch.from_numpy(trace.eps_cond[:, step])
        if "eps_uncond" in trace:
            uncond = torch.from_numpy(trace.eps_uncond[:, step])
            mixed = uncond + row["scale"] * (mixed - uncond)
        wanted = to.unpack(got[step][1].float())
        left = float((mixed - wanted).norm() / wanted.norm())
        assert left == pytest.approx(row["residual"], abs=1e-5)
        assert ("gain" in row) == (name in NORMED)
        assert (row["residual"] < 1e-5) == (name not in NORMED)


@pytest.mark.parametrize("name", EXPECTED)
def test_x0_follows_from_what_the_scheduler_got(recorded, name):
    pipe, _, _, got, trace = recorded(name)
    to = layout(pipe, trace, got[0][0])
    kind, prediction = trace.record["schedule_kind"], trace.record["model"]["prediction_type"]
    assert kind == ("vp" if name in ("pixart", "sana_sprint", "cogvideox", "cogvideox_dpm") else "flow")
    for step, (sample, output) in enumerate(got):
        at = Level(trace.timesteps[step], trace.sigmas[step], trace.alpha_bars[step])
        x0 = predicted_x0(kind, prediction, to.unpack(sample.float()), to.unpack(output.float()), at)
        np.testing.assert_allclose(trace.x0[:, step], x0.numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", sorted(PACKERS))
def test_unpacking_is_the_inverse_of_the_pipelines_own_packing(name):
    pipe, _ = makers.MAKERS[name]()
    noise = makers.rows(N, 4, 16, 32)
    if name == "ernie":
        packed = type(pipe)._patchify_latents(noise)
    elif name.startswith("flux2"):
        packed = pipe._pack_latents(pipe._patchify_latents(noise))
    else:
        packed = pipe._pack_latents(noise, N, 4, 16, 32)
    hints = latent_layout.Hints(height=HEIGHT, width=WIDTH, channels=None if name == "ernie" else 4)
    found = latent_layout.layout_of(pipe, packed, hints)
    assert torch.equal(found.unpack(packed), noise)
    assert torch.equal(found.pack(noise), packed)


def test_ideograms_patches_have_the_place_before_the_channel():
    """As its pipeline unpacks them: view(n, rows, columns, p, p, C).permute(0, 5, 1, 3, 2, 4)."""
    tokens = makers.rows(N, 4 * 8, 16)
    own = tokens.view(N, 4, 8, 2, 2, 4).permute(0, 5, 1, 3, 2, 4).reshape(N, 4, 8, 16)
    found = latent_layout.Layout("packed", (1, 4, 8), 2, patch_first=True)
    assert torch.equal(found.unpack(tokens), own)
    assert torch.equal(found.pack(own), tokens)


def test_truncated_guidance_shows_in_the_measured_scales():
    pipe, arguments = makers.z_image()
    with record(pipe) as trace:
        call(pipe, arguments, cfg_truncation=0.2, num_inference_steps=3)
    scales = [row["scale"] for row in trace.record["guidance_measured"]]
    assert scales[0] == pytest.approx(5, abs=1e-4)
    assert scales[-1] == 1.0
    np.testing.assert_array_equal(trace.eps_uncond[:, -1], trace.eps_cond[:, -1])


def test_a_guider_that_projects_leaves_a_residual():
    from diffusers.guiders import AdaptiveProjectedGuidance

    pipe, arguments = makers.hunyuan_image()
    pipe.guider = pipe.ocr_guider = AdaptiveProjectedGuidance(guidance_scale=4.0, eta=0.0)
    plain = call(pipe, arguments)
    with record(pipe) as trace:
        assert torch.equal(call(pipe, arguments), plain)
    assert all(row["residual"] > 1e-5 for row in trace.record["guidance_measured"])  # else it is below 1e-7


def test_both_denoisers_of_wan_are_heard(recorded):
    *_, trace = recorded("wan_two_denoisers")
    assert trace.record["denoisers"] == ["transformer", "transformer_2"]


def test_copies_of_the_scheduler_have_no_taps():
    """LTX-2 and others deep-copy the scheduler for the sound: the copy steps by itself and is not recorded."""
    pipe, arguments = makers.auraflow()
    prepare = type(pipe).prepare_latents
    copies = []

    class Copying(type(pipe)):
        def prepare_latents(self, *args, **kwargs):
            copies.append(copy.deepcopy(self.scheduler))
            return prepare(self, *args, **kwargs)

    pipe.__class__ = Copying

    def beside(_pipe, _step, t, tensors):
        output = torch.zeros_like(tensors["latents"])
        copies[-1].step(output, t, output)
        return {}

    plain = call(pipe, arguments, callback_on_step_end=beside)
    with record(pipe) as outer, record(pipe) as trace:
        assert torch.equal(call(pipe, arguments, callback_on_step_end=beside), plain)
    assert copies[1].step_index == STEPS
    assert not {"step", "set_timesteps", "__deepcopy__"} & set(vars(copies[1]))
    assert trace.steps == outer.steps == STEPS


def test_skip_layer_guidance_is_a_branch_of_its_own():
    from tests.tiny import embeds, noise, tiny_sd3

    pipe = tiny_sd3()
    given = {"latents": noise(N), "skip_guidance_layers": [0], "skip_layer_guidance_stop": 1.0,
             "skip_layer_guidance_start": -1.0, "skip_layer_guidance_scale": 2.5}  # fmt: skip

    def arguments(n):
        return embeds(pipe, n) | given | {"guidance_scale": 4.0}

    plain = call(pipe, arguments, height=16, width=16)
    with record(pipe) as trace:
        assert torch.equal(call(pipe, arguments, height=16, width=16), plain)
    assert trace.record["guidance"]["extra_branches"] == ["skip-layer"]
    for row in trace.record["guidance_measured"]:
        assert row["scale"] == pytest.approx(4, abs=1e-3)
        assert row["weights"]["skip-layer"] == pytest.approx(2.5, abs=1e-3)
    assert trace["eps_skip_layer"].shape == trace.eps_cond.shape


@pytest.mark.filterwarnings("ignore:.*experimental")
def test_a_modular_pipeline_is_heard_like_any_other():
    """Its blocks step the scheduler and evaluate the denoiser that are its components; a guider mixes."""
    from diffusers.modular_pipelines import StableDiffusionXLAutoBlocks

    from tests.tiny import tiny_text_sdxl

    parts, pipe = tiny_text_sdxl().components, StableDiffusionXLAutoBlocks().init_pipeline()
    pipe.update_components(**{name: part for name, part in parts.items() if part is not None and name in vars(pipe)})
    pipe.set_progress_bar_config(disable=True)

    def paint():
        told = {"prompt": "a cat", "height": 16, "width": 16, "num_inference_steps": STEPS, "output_type": "latent"}
        return pipe(**told, generator=torch.Generator().manual_seed(1), output="latents")

    plain = paint()
    with record(pipe) as trace:
        assert torch.equal(paint(), plain)
    assert trace.x_t.shape == (1, STEPS + 1, 4, 8, 8)
    assert torch.equal(torch.from_numpy(trace.x_t[:, -1]), plain)
    assert [row["scale"] for row in trace.record["guidance_measured"]] == pytest.approx([7.5] * STEPS, abs=1e-4)
    assert trace.record["runs"] == [{"seed": 1, "cfg": 7.5}]


def test_a_pipeline_that_nobody_knows_is_recorded_by_the_general_rules():
    pipe, arguments = makers.z_image()
    pipe.__class__ = type("SomebodysPipeline", (type(pipe),), {})
    with record(pipe) as trace:
        call(pipe, arguments)
    assert trace.x_t.shape == (N, STEPS + 1, 4, 16, 32)
    assert "SomebodysPipeline is not in the list" in trace.record["notes"][0]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(lambda pipe: setattr(pipe, "scheduler", None), "no scheduler that steps", id="no scheduler"),
        pytest.param(lambda pipe: setattr(pipe, "transformer", None), "neither a unet nor", id="no denoiser"),
        pytest.param(lambda pipe: setattr(pipe, "transformer", len), "not a torch module", id="no module"),
    ],
)
def test_what_cannot_be_recorded_is_said(spoil, message):
    pipe = type("Pipe", (), {})()
    pipe.scheduler, pipe.transformer = makers.flow(), torch.nn.Identity()
    spoil(pipe)
    with pytest.raises(UsageError, match=message), record(pipe):
        pass
