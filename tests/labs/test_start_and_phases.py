"""Every sampling lab with a picture to start from, and with phases: what is recorded, and what is refused."""

import json
import shutil
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from PIL import Image

from denoisecli.config.load import Layer, build
from denoisecli.diffusion.references import POCKET
from denoisecli.errors import DenoiseError
from denoisecli.figures.facts import run_facts
from denoisecli.interop import own_chunk
from denoisecli.labs.cfg_sweep import lab as cfg_sweep
from denoisecli.labs.cfg_sweep.config import CfgSweepConfig
from denoisecli.labs.fork import lab as fork
from denoisecli.labs.fork.config import ForkConfig
from denoisecli.labs.lora_rank import lab as lora_rank
from denoisecli.labs.lora_rank.config import LoraRankConfig
from denoisecli.labs.sample import lab as sample
from denoisecli.labs.sample.config import SampleConfig
from denoisecli.labs.walk import lab as walk
from denoisecli.labs.walk.config import WalkConfig
from denoisecli.labs.words import lab as words
from denoisecli.labs.words.config import WordsConfig
from denoisecli.media.picture_file import PictureFile
from denoisecli.report import Report
from denoisecli.runs.course import phase_lines
from denoisecli.runs.summary import summary
from denoisecli.scale import as_sampled, latent_sizes
from denoisecli.trace import load
from tests.lora.made import pocket_tensors, save
from tests.sampling import OTHER_SHAPE
from tests.told import Told

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "trace.schema.json").read_text())
LABS = {
    "sample": (sample, SampleConfig, {}),
    "cfg-sweep": (cfg_sweep, CfgSweepConfig, {"seeds": [7], "scales": [1, 7.5]}),
    "walk": (walk, WalkConfig, {"frames": 2}),
    "fork": (fork, ForkConfig, {"at": [2, 3], "to": {"prompt": "a castle"}}),
    "words": (words, WordsConfig, {}),
}
SMALL = {"film": {"formats": []}, "size": 64, "steps": 4, "seeds": [7, 21]}
FILM = {"size": "640x360", "fps": 5, "hold_s": 0.2}
ONE_PROMPT = [{"until": 0.5, "cfg": 3.0}, {"until": 0.75, "loras": ["pocket/woodcut-print"]}]  # of words
PHASES = [{"until": 0.5, "prompt": "a castle at night"}, {"until": 0.75, "loras": ["pocket/woodcut-print"]}]

pytestmark = pytest.mark.usefixtures("kept_model")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A picture of the run's shape, one of another with an alpha channel, and masks."""
    folder = tmp_path_factory.mktemp("pictures")
    grey = np.linspace(0, 255, 64, dtype=np.uint8)
    Image.fromarray(np.stack([np.tile(grey, (64, 1))] * 3, -1)).save(folder / "own.png")
    Image.new("RGBA", (160, 80), (200, 30, 30, 120)).save(folder / "wide.png")
    half = np.zeros((64, 64), np.uint8)
    half[:32] = 255
    Image.fromarray(half).save(folder / "mask.png")
    Image.new("L", (64, 64)).save(folder / "black.png")
    Image.new("L", (32, 32), 255).save(folder / "small.png")
    (folder / "no.png").write_text("no picture")
    Image.new("RGB", (64, 64)).save(
        folder / "moves.gif", save_all=True, append_images=[Image.new("RGB", (64, 64), 255)]
    )
    Image.new("LA", (64, 64), (0, 0)).save(folder / "hole.png")
    turned = Image.new("RGB", (64, 128), (10, 200, 10))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(folder / "turned.jpg", exif=exif)
    return folder


def made(lab, folder, report=None, **values):
    module, kind, own = LABS[lab]
    config = build(kind, [Layer(SMALL | own | values, source="test")])
    return module.plan(config, folder, None, force=False).make(report or Report())


def named(values, folder):
    """Return settings with the paths of the pictures that they name in capitals."""
    text = json.dumps(values)
    for name, file in {"OWN": "own.png", "NO": "no.png", "BLACK": "black.png", "SMALL": "small.png"}.items():
        text = text.replace(f'"{name}"', json.dumps(str(folder / file)))
    return json.loads(text)


@pytest.mark.parametrize("lab", LABS)
def test_every_lab_starts_from_a_picture(lab, pictures, tmp_path):
    start = {"image": str(pictures / "own.png"), "strength": 0.5}
    trace = load(made(lab, tmp_path / "run", film=FILM, start=start))
    jsonschema.validate(trace.record, SCHEMA)
    start, row = trace.record["start"], trace.record["schedule"][2]
    assert (start["image"], start["size"], start["strength"], start["state"]) == ("own.png", [64, 64], 0.5, 2)
    assert {key: start[key] for key in ("timestep", "sigma", "alpha_bar")} == {
        key: row[key] for key in ("timestep", "sigma", "alpha_bar")
    }
    assert f"from own.png at σ {row['sigma']:.3g} (strength 0.5)" in summary(trace.record).line
    if "x_t" in trace:
        assert trace.x_t.shape[-4] == 5


@pytest.mark.parametrize("lab", LABS)
def test_every_lab_has_phases(lab, tmp_path):
    trace = load(made(lab, tmp_path / "run", film=FILM, phases=ONE_PROMPT if lab == "words" else PHASES))
    jsonschema.validate(trace.record, SCHEMA)
    rows = trace.record["phases"]
    assert [(row["first"], row["until"]) for row in rows] == [(0, 2), (2, 3), (3, 4)]
    assert rows[1]["begins"] == rows[0]["ends"]
    assert rows[0].get("prompt") == (None if lab == "words" else "a castle at night")
    assert [lora["file"] for lora in rows[1]["loras"]] == ["pocket/woodcut-print"]
    assert "3 phases" in summary(trace.record).line
    if lab != "walk":
        assert [state for state, _ in run_facts(trace).turns] == [2, 3]


GROWS = [{"until": 0.5}, {"scale": 1.5}]


@pytest.mark.parametrize("lab", LABS)
def test_every_lab_has_a_phase_of_a_larger_picture(lab, tmp_path):
    """States before it are drawn as large as the last, and its size is told wherever the run's settings are."""
    run = made(lab, tmp_path / "run", film=FILM, phases=GROWS)
    trace = load(run)
    jsonschema.validate(trace.record, SCHEMA)
    assert [row["size"] for row in trace.record["phases"]] == [[64, 64], [96, 96]]
    assert [line.rpartition(": ")[2] for line in phase_lines(trace.record)] == ["64×64", "96×96"]
    with PictureFile.open(run / "pictures.zip") as pictures:
        assert {shape[-3:] for shape in pictures.shapes.values()} == {(96, 96, 3)}
    if lab != "walk":
        assert latent_sizes(trace) == [(8, 8)] * 2 + [(12, 12)] * 3
        assert run_facts(trace).turns == ((2, "96×96"),)


@pytest.mark.parametrize("sampler", ["ddim", "dpmpp_2m", "heun"])
def test_words_in_a_phase_that_changes_nothing_are_those_of_the_run(tmp_path, sampler):
    """Maps and numbers, those of concepts and of the negative prompt too, to the bit."""
    told = {"sampler": sampler, "negative_prompt": "castle", "concepts": ["boat"]}
    found, expected = (
        load(made("words", tmp_path / str(len(phases)), phases=phases, **told)) for phases in ([{"until": 0.5}, {}], [])
    )
    for name in ("x_t", "words", "negative_words"):
        assert np.array_equal(found[name], expected[name])
    for name in ("words", "words_rest", "words_pool", "word_pairs"):
        assert found.record[name] == expected.record[name]


@pytest.mark.parametrize(
    "values",
    [{"phases": GROWS}, {"phases": [{"until": 0.5}, {"cfg": 1.0}], "negative_prompt": "castle"}, {"start": "OWN"}],
    ids=["grows", "without guidance", "start"],
)
def test_words_are_followed_in_phases_and_from_a_picture(tmp_path, pictures, values):
    """The run is the deck's; where nothing reads the words, before a start or without a half, their maps are empty."""
    told = values | ({"start": {"image": str(pictures / "own.png"), "strength": 0.5}} if "start" in values else {})
    trace, deck = (load(made(lab, tmp_path / lab, **told)) for lab in ("words", "sample"))
    jsonschema.validate(trace.record, SCHEMA)
    assert np.array_equal(trace.x_t, deck.x_t)
    assert trace["words"].shape == (
        2,
        4,
        len(trace.record["words"]) - ("negative_prompt" in values),
        *trace.x_t.shape[3:],
    )
    heard = trace["words"].any(axis=(0, 2, 3, 4)).tolist()
    assert heard == ([False, False, True, True] if "start" in values else [True] * 4)
    assert [share > 0 for share in trace.record["words_rest"]["share"]] == heard
    if "start" in values:
        assert all(state is None or state >= 2 for row in trace.record["words"] for state in row["found_at"])
    if "negative_prompt" in values:
        assert trace["negative_words"].any(axis=(0, 2, 3, 4)).tolist() == [True, True, False, False]


@pytest.fixture
def nothing_loaded(monkeypatch):
    """Have a run that comes as far as loading weights fail."""

    def loaded(*_, **__):
        pytest.fail("a model was loaded")

    monkeypatch.setattr("denoisecli.diffusion.models.load_model", loaded)


@pytest.mark.usefixtures("nothing_loaded")
@pytest.mark.parametrize(
    ("lab", "values", "message"),
    [
        ("sample", {"phases": [{"until": 0.5}, {"sampler": "flow_euler"}]}, "'flow_euler' does not fit this model"),
        ("sample", {"sampler": "scm"}, "'scm' does not fit this model"),
        ("sample", {"phases": [{"until": 0.5}, {"sampler": "euler_karras"}]}, "do not meet at state 2: σ is"),
        ("sample", {"phases": [{"until": 0.5}, {"sampler": "pndm"}]}, "pndm cannot begin on the way"),
        ("sample", {"phases": [{"until": 0.5}, {"scale": 2}], "sampler": "pndm"}, "pndm cannot begin on the way"),
        ("sample", {"start": "OWN", "sampler": "pndm"}, "pndm cannot begin on the way"),
        ("sample", {"start": "NO"}, "not a picture in a format we can read"),
        ("sample", {"start": {"image": "OWN", "mask": "SMALL"}}, "has 32×32 and the picture 64×64 pixels"),
        ("sample", {"video": 17}, "paints single pictures, no clips"),
        ("walk", {"between": {"images": ["OWN", "SMALL"]}, "seeds": [7], "sampler": "pndm"}, "pndm cannot begin"),
        ("walk", {"between": {"images": ["OWN", "NO"]}, "seeds": [7]}, "not a picture in a format we can read"),
        ("fork", {"to": {"sampler": "euler_karras"}}, "do not meet at state 2: σ is"),
        ("fork", {"to": {"sampler": "pndm"}}, "pndm cannot begin on the way"),
        ("fork", {"to": {"sampler": "flow_euler"}}, "does not fit this model"),
        ("fork", {"to": {"noise": 3}, "sampler": "pndm"}, "pndm cannot begin on the way"),
        ("fork", {"to": {"loras": ["nowhere.safetensors"]}}, "There is no LoRA at nowhere.safetensors"),
        ("words", {"phases": [{"until": 0.5}, {"prompt": "a castle"}]}, "phase 2 sets prompt, and words are followed"),
        ("words", {"words": []}, "the list is empty"),
        ("words", {"concepts": ["!!"]}, '"!!" is no word'),
        ("sample", {"start": ""}, "start.image: is empty"),
        ("sample", {"phases": [{"until": 0.5}, {"model": ""}]}, "model: is empty"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_told_before_a_model_is_loaded(pictures, tmp_path, lab, values, message):
    with pytest.raises(DenoiseError, match=message):
        made(lab, tmp_path / "run", **named(values, pictures))
    assert not (tmp_path / "run").exists()


def test_samplers_that_meet_and_those_that_begin_at_the_start_are_planned():
    """What is told beforehand is what the run would tell: no more."""
    for values in (
        {"phases": [{"until": 0.5}, {"sampler": "euler"}]},
        {"phases": [{"until": 0.5}, {"sampler": "heun"}, ]},
        {"phases": [{"until": 0.5, "sampler": "pndm"}]},
        {"phases": [{"until": 0.5}, {"cfg": 3}], "sampler": "pndm"},
    ):  # fmt: skip
        config = build(SampleConfig, [Layer(SMALL | values, source="test")])
        assert sample.plan(config, None, None, force=False).config.steps == 4
    config = build(ForkConfig, [Layer(SMALL | {"at": [0], "to": {"sampler": "pndm"}}, source="test")])
    assert fork.plan(config, None, None, force=False).config.at == (0,)


def test_a_fork_to_another_lora_under_the_same_name_is_another_run(tmp_path):
    hashes = []
    for rank in (2, 3):
        lora = save(pocket_tensors(rank), tmp_path / "own.safetensors")
        config = build(ForkConfig, [Layer(SMALL | {"to": {"loras": [str(lora)]}}, source="test")])
        hashes.append(fork.plan(config, None, tmp_path, force=False).folder.hash)
    assert hashes[0] != hashes[1]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"to": {"cfg": 7.5}}, "every fork will be the run itself"),
        ({"to": {"cfg": 1.0}, "phases": [{"until": 0.75}, {"cfg": 1.0}]}, "at 3 to names what the run has already"),
        ({"to": {"cfg": 1.0}}, ""),
    ],
)
def test_a_fork_that_changes_nothing_behind_it_is_told(tmp_path, values, said):
    report = Told()
    made("fork", tmp_path / "run", report, seeds=[7], **values)
    assert [text for text in report.warnings if text.startswith(("to names", "at "))] == (
        [next(text for text in report.warnings if said in text)] if said else []
    )


def test_a_picture_of_a_run_that_grows_says_the_size_that_it_begins_at(tmp_path):
    """Else another tool would enlarge the enlarged size."""
    run = made("sample", tmp_path / "run", phases=GROWS, seeds=[7])
    with Image.open(run / "images" / "seed-7.png") as picture:
        texts = picture.text
        assert picture.size == (96, 96)
    assert "Size: 64x64" in texts["parameters"]
    latents = next(node for node in json.loads(texts["prompt"]).values() if "width" in node["inputs"])
    assert (latents["inputs"]["width"], latents["inputs"]["height"]) == (64, 64)
    assert json.loads(texts[own_chunk.KEY])["phases"] == [{"until": 0.5}, {"scale": 1.5}]


def test_loras_by_step_of_another_model_are_refused(tmp_path):
    tensors = pocket_tensors(2)
    wider = {key: np.tile(own, 2) if "down.weight" in key else own for key, own in tensors.items()}
    lora = save(wider, tmp_path / "other.safetensors")
    phases = [{"until": 0.5}, {"loras": [str(lora)]}]
    with pytest.raises(DenoiseError, match="other.safetensors does not fit the model pocket"):
        made("sample", tmp_path / "run", phases=phases)


def test_another_model_wears_the_loras_of_its_phase(tmp_path):
    """A copy of the model goes on as the model itself would, and the run's own LoRAs are not on it."""
    copy, lora = tmp_path / "copy", "pocket/woodcut-print"
    shutil.copytree(POCKET, copy)
    for name, own in (("worn", {"loras": [lora]}), ("bare", {})):
        told = {"seeds": [7], "loras": [] if name == "worn" else [lora]}
        phases = [{"until": 0.5}, own | {"model": str(copy)}]
        found = load(made("sample", tmp_path / name, phases=phases, **told))
        same = [{"until": 0.5}, {"loras": own.get("loras", [])}]
        expected = load(made("sample", tmp_path / f"{name}-same", phases=same, **told))
        np.testing.assert_allclose(found.x_t, expected.x_t, atol=1e-4)


def test_every_rank_has_the_phases(tmp_path):
    """Of lora-rank's pictures: words that change on the way, at every rank; LoRAs are what it varies itself."""
    own = SMALL | {"lora": "pocket/woodcut-print", "images": True, "ranks": [1], "seeds": [7]}

    def run(name, phases):
        config = build(LoraRankConfig, [Layer(own | {"phases": phases}, source="test")])
        return lora_rank.plan(config, tmp_path / name, None, force=False).make(Report())

    phased, plain = run("phased", PHASES[:1]), run("plain", [])
    record = load(phased).record
    jsonschema.validate(record, SCHEMA)
    assert record["phases"][0]["prompt"] == "a castle at night"
    pictures = sorted(path.name for path in (phased / "images").glob("*.png"))
    assert len(pictures) == 3  # none, rank 1, whole
    for name in pictures:
        assert (phased / "images" / name).read_bytes() != (plain / "images" / name).read_bytes()
    with pytest.raises(DenoiseError, match="phase 2 sets loras, which this run varies itself"):
        run("loras", PHASES)


def test_a_run_from_a_picture_grows(pictures, tmp_path):
    start = {"image": str(pictures / "own.png"), "strength": 0.75}
    trace = load(made("sample", tmp_path / "run", start=start, phases=GROWS))
    assert latent_sizes(trace) == [(8, 8)] * 2 + [(12, 12)] * 3
    plain = load(made("sample", tmp_path / "plain", start=start))
    assert np.array_equal(as_sampled(trace.x_t[:, :2], (8, 8)), plain.x_t[:, :2])
    assert trace.record["runs"][0]["states"][1]["x_norm"] == plain.record["runs"][0]["states"][1]["x_norm"]


def test_a_size_that_was_reached_stays(tmp_path):
    phases = [{"until": 0.25}, {"until": 0.5, "scale": 1.5}, {"until": 0.75, "cfg": 3.0}]
    trace = load(made("sample", tmp_path / "run", phases=phases, seeds=[7]))
    assert latent_sizes(trace) == [(8, 8)] + [(12, 12)] * 4
    twice = load(made("sample", tmp_path / "twice", phases=[*GROWS[:1], {"until": 0.75, "scale": 1.5}, {"scale": 2}]))
    assert latent_sizes(twice) == [(8, 8)] * 2 + [(12, 12)] + [(16, 16)] * 2


def test_a_fork_of_a_run_that_grows_takes_another_sampler(tmp_path):
    """Before and behind the enlargement, at each state's own size."""
    more = {"to": {"sampler": "euler"}, "spacing": "trailing", "seeds": [7], "at": [1, 3]}
    trace = load(made("fork", tmp_path / "run", phases=GROWS, **more))
    assert trace["final"].shape[-2:] == (12, 12)
    assert np.isfinite(trace["final"]).all()


def test_a_phase_acts_in_its_steps_and_its_loras_nowhere_else(tmp_path):
    plain, phased = load(made("sample", tmp_path / "plain")), load(made("sample", tmp_path / "phased", phases=PHASES))
    late = load(made("sample", tmp_path / "late", phases=[{"until": 0.75}, {"prompt": "a castle at night"}]))
    assert np.array_equal(late.x_t[:, :4], plain.x_t[:, :4])
    assert not np.allclose(late.x_t[:, 4], plain.x_t[:, 4], atol=1e-3)
    assert not np.allclose(phased.x_t[:, 1], plain.x_t[:, 1], atol=1e-3)
    words = load(made("sample", tmp_path / "words", phases=PHASES[:1]))
    assert np.array_equal(phased.x_t[:, :3], words.x_t[:, :3])
    assert not np.allclose(phased.x_t[:, 3], words.x_t[:, 3], atol=1e-3)


@pytest.mark.parametrize("phases", [[{"until": 0.5, "cfg": 3.0}, {"until": 0.75, "sampler": "ddim"}], GROWS])
def test_a_fork_of_a_run_in_phases_that_changes_nothing_is_that_run(tmp_path, phases):
    trace = load(made("fork", tmp_path / "run", phases=phases, to={"loras": []}, seeds=[7]))
    np.testing.assert_allclose(trace["final"][0], trace.x_t[:, -1], atol=OTHER_SHAPE)


@pytest.mark.parametrize(
    ("image", "said"),
    [("wide.png", ["160×80 and the run 64×64: cut to its middle", "transparent in places"]), ("own.png", [])],
)
def test_what_becomes_of_the_picture_is_told(pictures, tmp_path, image, said):
    report = Told()
    made("sample", tmp_path / "run", report, start=str(pictures / image), seeds=[7])
    about = [text for text in report.warnings if text.startswith("start.image")]
    assert len(about) == len(said)
    assert all(words in text for words, text in zip(said, about, strict=True))


@pytest.mark.parametrize(
    ("start", "said"),
    [
        ({"image": "moves.gif"}, "start.image is an animation; its first picture is taken"),
        ({"image": "own.png", "mask": "hole.png"}, "start.mask is transparent in places; they count as white"),
    ],
)
def test_what_is_taken_of_odd_pictures_is_told(pictures, tmp_path, start, said):
    report = Told()
    made(
        "sample", tmp_path / "run", report, start={key: str(pictures / name) for key, name in start.items()}, seeds=[7]
    )
    assert [said in text for text in report.warnings if text.startswith("start.")] == [True]


def test_a_turned_picture_is_upright(pictures, tmp_path):
    trace = load(made("sample", tmp_path / "run", start=str(pictures / "turned.jpg"), seeds=[7]))
    assert trace.record["start"]["size"] == [128, 64]


def test_another_picture_under_the_same_name_is_another_run(pictures, tmp_path):
    config = build(SampleConfig, [Layer(SMALL | {"start": str(tmp_path / "a.png")}, source="test")])
    hashes = []
    for name in ("own.png", "mask.png"):
        (tmp_path / "a.png").write_bytes((pictures / name).read_bytes())
        hashes.append(sample.plan(config, None, tmp_path, force=False).folder.hash)
    assert hashes[0] != hashes[1]


@pytest.mark.parametrize(
    ("lab", "values", "message"),
    [
        ("sample", {"start": {"image": "OWN", "strength": 0}}, "start.strength: 0 is out of range|strength: .*greater"),
        ("sample", {"start": {"image": "OWN", "strength": float("nan")}}, "start.strength: .*finite number"),
        ("sample", {"start": {"image": "OWN", "strength": 0.1}}, "less than one of 4 steps"),
        ("sample", {"start": "nowhere.png"}, "start.image: there is no picture at nowhere.png"),
        ("sample", {"start": "NO"}, "not a picture in a format we can read"),
        ("sample", {"start": {"image": "OWN", "mask": "BLACK"}}, "has no white, so nothing would be painted"),
        ("sample", {"start": {"image": "OWN", "mask": "SMALL"}}, "has 32×32 and the picture 64×64 pixels"),
        ("sample", {"start": "OWN", "sampler": "pndm"}, "pndm cannot begin on the way"),
        ("fork", {"start": "OWN", "at": [0]}, "at strength 0.6 the run begins at state 2 of 4"),
        ("sample", {"phases": [{"until": 0.1, "cfg": 1}]}, "phase 1 has no step of the 4 to itself"),
        ("sample", {"phases": [{"until": 0.5}, {"until": 0.5}]}, "phase 2 lasts until 0.5, which the one before"),
        ("sample", {"phases": [{"until": 0.7}, {"until": 0.4}]}, "phase 2 lasts until 0.4, which the one before"),
        ("sample", {"phases": [{"until": 1}, {"cfg": 2}]}, "phase 2 begins after the end"),
        ("sample", {"phases": [{"until": 1.5}]}, "phases"),
        ("sample", {"phases": [{"cfg": 2}, {"until": 0.5}]}, "phase 1 of 2 has no until"),
        ("sample", {"phases": [{"until": 0.5, "scale": 2}]}, "phase 1 begins with noise, so there is nothing"),
        ("sample", {"phases": [{"until": 0.5}, {"scale": 0.5}]}, "phases.*scale: 0.5 is out of range"),
        ("sample", {"phases": [{"until": 0.5}, {"scale": float("nan")}]}, "phases.*scale: .*finite number"),
        ("sample", {"phases": [{"until": 0.5}, {"scale": 8}], "size": 1024}, "makes 8192×8192 pixels of 1024×1024"),
        ("sample", {"phases": [{"until": 0.25}, {"until": 0.5, "scale": 2}, {"scale": 1.5}]}, "phase 3 has scale 1.5"),
        ("sample", {"phases": GROWS, "start": {"image": "OWN", "mask": "SMALL"}}, "under a mask stays at one size"),
        ("sample", {"phases": GROWS, "start": {"image": "OWN", "strength": 0.5}}, "at state 2, when it has scale"),
        ("fork", {"phases": GROWS, "to": {"noise": 1}}, "noises the finished picture to every level"),
        ("sample", {"phases": [{"until": 0.5}, {"model": "no/where.safetensors"}]}, "There is no model at no/where"),
        ("walk", {"phases": [{"model": "pocket"}], "seeds": [7], "between": {"prompts": ["a", "b"]}}, "sets model"),
        ("sample", {"phases": [{"until": 0.5}, {"sampler": "euler_karras"}]}, "do not meet at state 2: σ is"),
        ("sample", {"phases": [{"until": 0.5}, {"sampler": "flow_euler"}]}, "'flow_euler' does not fit this model"),
        ("cfg-sweep", {"phases": [{"until": 0.5, "cfg": 3}]}, "phase 1 sets cfg, which this run varies itself"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_in_a_sentence(pictures, tmp_path, lab, values, message):
    with pytest.raises(DenoiseError, match=message):
        made(lab, tmp_path / "run", **named(values, pictures))
