"""Families from a saved folder, with text encoders of their own: the labs from config to run folder."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import denoisecli
from denoisecli.cli import whole_app
from denoisecli.diffusion import call, models
from denoisecli.diffusion.canvas import as_given
from denoisecli.diffusion.embeddings import encoded
from denoisecli.diffusion.families import FAMILIES, family_named, table
from denoisecli.diffusion.one_step import one_jump_guesses
from denoisecli.diffusion.prompts import truncated
from denoisecli.diffusion.vocabulary import unknown_words
from tests.families import makers
from tests.families.folders import FOLDERS

DOCS = Path(__file__).parents[2] / "docs" / "models.md"
SMALL = ["--set", "size=64x64", "--set", "steps=3", "--set", "film.size=320x320", "-p", "a cat", "--device", "cpu"]

pytestmark = [
    pytest.mark.filterwarnings("ignore:`FluxPosEmbed` is deprecated:FutureWarning"),
]


def run(*words):
    """Run the command in this process, which has the families' modules; return the run's trace and what was said."""
    done = CliRunner().invoke(whole_app(), words)
    assert done.exit_code == 0, done.output
    return denoisecli.load(done.stdout.strip().splitlines()[-1]), done.stderr


@pytest.mark.parametrize(
    ("name", "cfg", "sampler"),
    [("flux", 3.5, "flow_euler"), ("z-image", 5.0, "flow_euler"), ("pixart", 4.5, "dpmpp_2m")],
)
def test_a_deck_takes_the_familys_own_settings(folders, tmp_path, name, cfg, sampler):
    words = ("-m", str(folders(name)), "--seed", "1-2", "-o", str(tmp_path / "run"))
    trace, _ = run("sample", *words, *SMALL)
    assert trace.record["model"]["family"] == name
    assert trace.record["config"]["cfg"] == cfg
    assert trace.record["config"]["sampler"] == sampler
    assert trace.x_t.shape == (2, 4, 4, 32, 32)
    assert [row["cfg"] for row in trace.record["runs"]] == [cfg, cfg]
    for made in ("film.mp4", "sheet.png", "page.html", "images/seed-1.png", "views/latent.mp4"):
        assert (tmp_path / "run" / made).stat().st_size > 1000


def test_a_sweep_of_embedded_guidance_says_so(folders, tmp_path):
    words = ("-m", str(folders("flux")), "--seed", "1", "--set", "scales=[1,4]", "-o", str(tmp_path / "run"))
    trace, said = run("cfg-sweep", *words, *SMALL)
    assert "told the scale (embedded guidance)" in said
    assert [row["cfg"] for row in trace.record["runs"]] == [1.0, 4.0]
    assert not np.allclose(trace.x_t[0], trace.x_t[1])
    assert "eps_uncond" not in trace


def test_a_distilled_one_shows_its_one_run(tmp_path):
    FOLDERS["flux"](guidance_embeds=False).save_pretrained(tmp_path / "schnell")
    words = ("-m", str(tmp_path / "schnell"), "--seed", "1", "--set", "scales=[1,4]", "-o", str(tmp_path / "run"))
    trace, said = run("cfg-sweep", *words, *SMALL)
    assert "takes no guidance" in said
    assert trace.x_t.shape[:2] == (1, 1)


@pytest.mark.parametrize("name", ["flux", "z-image", "auraflow"])
def test_the_one_step_guess_of_a_flow_is_that_of_its_own_first_step(folders, name):
    """At σ = 1 the mixture is the noise alone: a run of one step sees the same, and both guess the same."""
    model = models.load_model(str(folders(name)), "cpu")
    x0, eps = makers.rows(4, 32, 32, seed=1).numpy(), makers.rows(4, 32, 32, seed=2).numpy()
    guesses = list(one_jump_guesses(model, x0, eps, np.array([0.0, 0.5, 0.999999]), "a cat"))
    assert [guess.shape for guess in guesses] == [(1, 4, 32, 32)] * 3
    family = family_named(type(model.pipe).__name__)
    scale = family.scale if family.guidance == "embedded" else family.unguided
    own = model.pipe(
        "a cat", height=64, width=64, num_inference_steps=1, output_type="latent", return_dict=False,
        latents=as_given(model.pipe, torch.from_numpy(eps)[None]), **call.scale(model.pipe, scale),
    )[0]  # fmt: skip
    np.testing.assert_allclose(as_given(model.pipe, torch.from_numpy(guesses[0])).numpy(), own.numpy(), atol=1e-4)
    np.testing.assert_allclose(guesses[-1][0], x0, atol=0.02)


def test_a_prompt_may_be_as_long_as_the_widest_encoder_takes(folders):
    pipe = models.load_model(str(folders("flux")), "cpu").pipe
    assert truncated(pipe, "a" * 300) == ""  # CLIP's 77 tokens would cut it, T5's 512 do not
    assert truncated(pipe, "cat " * 200)
    ref = str(folders("z-image"))
    assert unknown_words(models.load_model(ref, "cpu").pipe, ref, "a cat") == []


def heard(model, prompt):
    """Return what the prompt became, without what the negative one did."""
    values = {name: value for name, value in encoded(model, prompt).items() if not name.startswith("negative")}
    return [one for value in values.values() for one in (value if isinstance(value, list) else [value])]


@pytest.mark.parametrize("name", FOLDERS)
def test_a_prompt_is_told_to_be_cut_where_it_is(folders, name):
    """The last letter that has room changes what the encoder hears, the next one does not; a letter is a token."""
    model = models.load_model(str(folders(name)), "cpu")
    room = 3000 - len(truncated(model.pipe, "a" * 3000))
    whole, *others = (heard(model, "a" * (n - 1) + letter + "a" * 100) for n, letter in
                      ((room, "a"), (room, "b"), (room + 1, "b")))  # fmt: skip
    same = [all(map(torch.equal, whole, other)) for other in others]
    assert same == [False, True]


def test_the_page_on_models_says_what_the_labs_were_tried_on():
    titles = {family.name: family.title for family in FAMILIES}
    row = next(line for line in DOCS.read_text(encoding="utf-8").splitlines() if "folders with their text" in line)
    assert row.split("|")[2].strip() == "; ".join(titles[name] for name in FOLDERS)


def test_the_page_on_models_is_made_from_the_table():
    assert table() in DOCS.read_text(encoding="utf-8")
    assert re.search(r"Z-Image.*`ZImagePipeline`", table())
