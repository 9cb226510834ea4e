"""Every lab and tool on every family, from a saved folder with text encoders of its own to what lies on the disk."""

import os

import numpy as np
import pytest

import denoisecli
from denoisecli.batch.packing import sample_together
from denoisecli.config.load import load_configs, settings
from denoisecli.diffusion import models
from denoisecli.diffusion.canvas import noise_for
from denoisecli.diffusion.embeddings import between, encoded, stacked
from denoisecli.diffusion.families import BY_CLASS
from denoisecli.diffusion.guidance import guidance_of
from denoisecli.errors import ModelError
from denoisecli.lora.blocks import made_for
from denoisecli.lora.file import open_lora
from denoisecli.registry import CONFIGS, part
from denoisecli.report import Report
from denoisecli.tools.compare.tool import compare_runs
from denoisecli.tools.render import plan as render
from tests.families.folders import FOLDERS
from tests.sampling import sample_batch
from tests.told import Told

NO_FILM = "film.formats=[]"  # for a run whose numbers alone are looked at, beside one like it that has a film
NO_LORA = ("pixart", "hunyuan-image")  # diffusers has no loader for theirs
MADE_FOR = {
    "flux": "FLUX.1 or a model built like it", "chroma": "FLUX.1 or a model built like it",
    "flux2": "FLUX.2", "flux2-klein": "FLUX.2", "krea2": "Krea 2", "z-image": "Z-Image",
    "hidream": "HiDream-I1", "auraflow": "AuraFlow", "kandinsky5": "Kandinsky 5", "wan": "Wan",
    "lumina2": "Lumina 2", "ernie-image": "ERNIE-Image", "sana": "a model whose prompts have width 16",
    "sana-sprint": "a model whose prompts have width 16",
}  # fmt: skip
"""What a LoRA of its attention layers tells; the others' names are those of several families."""

ALL = os.environ.get("ALL_FAMILIES") == "1"
"""`make families` tries every lab on every family; the suite tries each on those that differ most in how they guide."""
TRIED = list(FOLDERS) if ALL else ["z-image", "flux", "qwen-image", "sana-sprint", "wan"]
tried = pytest.mark.parametrize("name", TRIED, scope="module")  # one family's labs one after the other: a kept model
TRIED_LORA = [name for name in TRIED if name not in NO_LORA]

pytestmark = [
    pytest.mark.usefixtures("kept_model", "small_sizes"),
    pytest.mark.filterwarnings("ignore:`FluxPosEmbed` is deprecated:FutureWarning"),
]


@pytest.fixture
def lab(folders, tmp_path):
    """Return what makes a run of a lab on a family, or its plan."""

    def make(lab, name, *pairs, plan=False):
        given = [f"model={folders(name)}", "size=64x64", "film.size=320x320", "film.hold_s=0.1", "device=cpu", *pairs]
        config = load_configs(CONFIGS[lab], [], [settings(CONFIGS[lab], given)])[0]
        made = part(lab, "plan")(config, None, tmp_path, force=False)
        report = Told()
        return made if plan else (denoisecli.load(made.make(report)), made.folder.path, report.warnings)

    return make


@tried
def test_a_deck_and_what_is_made_of_it(lab, name):
    """Two runs of one batch, one of them drawn again, and both compared."""
    plans = [lab("sample", name, f"prompt={words}", "seeds=[3]", "steps=2", plan=True) for words in ("cat", "dogs")]
    sample_together(plans, Report(), lambda: False)
    first, second = (plan.make(Report()) for plan in plans)
    trace = denoisecli.load(first)
    assert trace.record["packed"]["samples"] == 2
    assert trace.record["model"]["family"] == name
    assert trace.x_t.shape[:2] == (1, 3)
    assert trace.record["decoders"]["states"].endswith("fitted to this run")
    assert trace.record["preview_psnr_db"] > 10
    again = render(first, ["film.theme=light"]).make(Report())
    for file in ("film.mp4", "sheet.png", "page.html", "images/seed-3.png"):
        assert (again / file).stat().st_size > 500
    assert compare_runs(first, second, Report(), out=None, runs_dir=None, force=False).record["sentence"]


@tried
def test_a_sweep(lab, name):
    trace, _, said = lab("cfg-sweep", name, "prompt=cat", "seeds=[3]", "steps=2", "scales=[1,4]")
    embedded = BY_CLASS[FOLDERS[name]().__class__.__name__].guidance == "embedded"
    assert trace.x_t.shape[:2] == (2, 1)
    assert any("told the scale" in words for words in said) == embedded
    assert ("eps_uncond" in trace) != embedded


@tried
def test_walks(lab, name):
    """Between prompts of other lengths, and between noises: the ends are plain runs."""
    words = ("steps=2", "frames=3", "batch=3")
    trace, _, _ = lab("walk", name, *words, "between={prompts: [cat, a large dog], scales: null}")
    assert trace["final"].shape[0] == 3
    assert np.isfinite(trace["final"]).all()
    assert not np.allclose(trace["final"][0], trace["final"][2])


@tried
def test_where_words_are_read(lab, name):
    trace, _, _ = lab("words", name, "prompt=cat dogs", "seeds=[3]", "steps=2")
    assert [row["text"] for row in trace.record["words"]] == ["cat", "dogs"]
    assert trace["words"].shape[:3] == (1, 2, 2)
    assert np.isfinite(trace["words"]).all()
    assert 0 < trace["words"].astype(np.float32).sum(axis=2).max() <= 1 + 1e-3


@tried
def test_forks(lab, name):
    """One that changes nothing is the run, but for what two rows at once round otherwise than one; others are not."""
    words = ("prompt=cat", "seeds=[3]", "steps=2", "at=[1]")
    same, _, said = lab("fork", name, *words, "to={prompt: cat}", NO_FILM)
    assert any("the run itself" in words for words in said)
    np.testing.assert_allclose(same["final"][0], same.x_t[:, -1], rtol=1e-4, atol=1e-5)
    other, _, _ = lab("fork", name, *words, "to={prompt: dogs}")
    assert not np.allclose(other["pure"], other.x_t[:, -1], rtol=1e-5, atol=1e-5)


@tried
def test_phases(lab, name):
    """One that changes nothing changes no bit."""
    words = ("prompt=cat", "seeds=[3]", "steps=2")
    plain, _, _ = lab("sample", name, *words, NO_FILM)
    cut, _, _ = lab("sample", name, *words, "phases=[{until: 0.5, prompt: cat}, {}]", NO_FILM)
    np.testing.assert_array_equal(cut.x_t, plain.x_t)
    changed, _, _ = lab("sample", name, *words, "phases=[{until: 0.5, prompt: dogs}, {}]")
    assert not np.array_equal(changed.x_t[:, -1], plain.x_t[:, -1])


@tried
def test_words_and_concepts_in_phases(lab, name):
    """In one that changes nothing their maps are those of the run, of concepts that are evaluated beside it too."""
    words = ("prompt=cat dogs", "seeds=[3]", "steps=2", "concepts=[sky]")
    whole, _, _ = lab("words", name, *words, NO_FILM)
    cut, _, _ = lab("words", name, *words, "phases=[{until: 0.5}, {}]")
    for array in ("x_t", "words"):
        np.testing.assert_array_equal(cut[array], whole[array])
    assert cut.record["words"] == whole.record["words"]
    assert cut.record["words_rest"] == whole.record["words_rest"]


@tried
def test_noise_and_the_guess(lab, name):
    trace, _, _ = lab("noise", name, "frames=3", "space=latent", "guess=true", "prompt=cat")
    assert trace["guess_error"].shape == (3,)
    assert trace["guess_error"].argmin() == 0  # of the cleanest
    assert trace["latent_pictures"].shape[0] == 3


@pytest.mark.parametrize("name", TRIED_LORA, scope="module")
def test_a_lora_at_falling_rank(lab, folders, name):
    path = folders(name) and folders(name, lora=True)
    with open_lora(path) as lora:
        assert made_for(lora.layers) == MADE_FOR.get(name, "a model we do not know")
    trace, _, _ = lab("lora-rank", name, f"lora={path}", "images=true", "ranks=[1]", "seeds=[3]", "steps=2")
    far = {row["rule"]: row["distance_to_full"] for row in trace.record["runs"]}
    assert min(far["off"], far["rank-1"]) > far["whole"] == 0


@pytest.mark.parametrize("name", NO_LORA)
def test_no_lora_where_diffusers_loads_none(lab, folders, name):
    with pytest.raises(ModelError, match=f"no LoRA onto models of the family {name}"):
        lab("sample", name, f"loras=[{folders('flux') and folders('flux', lora=True)}]", "steps=1", "seeds=[3]")


def test_a_lora_of_another_family(lab, folders):
    path = folders("hidream") and folders("hidream", lora=True)
    with pytest.raises(ModelError) as caught:
        lab("sample", "z-image", f"loras=[{path}]", "steps=1", "seeds=[3]")
    assert "looks made for HiDream-I1" in str(caught.value.hint)


@pytest.mark.parametrize("name", FOLDERS)
def test_what_a_prompt_becomes_is_the_pipelines_own(folders, name):
    """A batch of embeddings gives what a plain call gives for the prompt, bit for bit; also beside a longer one."""
    model = models.load_model(str(folders(name)), "cpu")
    size = (64, 64)
    family = BY_CLASS[type(model.pipe).__name__]
    told = {
        "noise": noise_for(model.pipe, [3], size), "scales": [4.0], "steps": 2, "sampler": family.sampler,
        "seeds": [3], "height": size[1], "width": size[0], "negative_prompt": "",
    }  # fmt: skip
    plain = sample_batch(model, prompt="cat", **told)
    cat, dog = encoded(model, "cat"), encoded(model, "a large dog")
    np.testing.assert_array_equal(sample_batch(model, prompt="", embeds=cat, **told).x_t, plain.x_t)
    assert between(cat, dog, 0.0) is cat
    middle = stacked([between(cat, dog, 0.25), between(cat, dog, 0.5)])
    two = told | {"noise": noise_for(model.pipe, [3, 3], size), "scales": [4.0, 4.0], "seeds": [3, 3]}
    mixed = sample_batch(model, prompt="", embeds=middle, **two).x_t
    assert not np.array_equal(mixed[0], mixed[1])
    assert guidance_of(model.pipe) in ("formula", "own", "embedded", "none")
