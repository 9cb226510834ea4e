"""The lora-rank lab: the toy's numbers, a file's cuts, pictures at every rank, and what it says of bad input."""

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from denoisecli.config.load import Layer, build
from denoisecli.errors import ConfigError, MediaError, ModelError, UsageError
from denoisecli.figures.theme import DARK
from denoisecli.labs.lora_rank.card import card
from denoisecli.labs.lora_rank.config import LoraRankConfig
from denoisecli.labs.lora_rank.figures.matrix import signed_picture
from denoisecli.labs.lora_rank.lab import plan
from denoisecli.labs.lora_rank.matrix import bolt, cut_matrix, ranks_to_show, read_matrix
from denoisecli.report import Report
from denoisecli.tools.gallery.tool import thumbnail
from denoisecli.trace import load
from tests.lora.made import kohya_tensors, pocket_tensors, save

SMALL = {"size": "640x360", "fps": 5, "hold_s": 0.2}

pytestmark = pytest.mark.usefixtures("kept_model")


def made(folder, **values):
    config = LoraRankConfig.model_validate({"film": SMALL} | values)
    return load(plan(config, folder, None, force=False).make(Report()))


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return made(tmp_path_factory.mktemp("toy") / "run")


def test_the_bolt_is_of_rank_ten():
    assert bolt().shape == (16, 16)
    assert np.linalg.matrix_rank(bolt()) == 10


def test_three_ranks_are_96_of_256_numbers(toy):
    row = toy.record["runs"][2]
    assert (row["rank"], row["params"], row["full_params"]) == (3, 96, 256)
    assert row["energy"] > 0.9


def test_every_copy_is_as_near_as_can_be(toy):
    assert [row["rank"] for row in toy.record["runs"]] == list(range(1, 17))
    for row in toy.record["runs"]:
        assert row["error"] == pytest.approx(row["optimum"], abs=1e-10)


def test_the_toy_keeps_its_arrays(toy):
    np.testing.assert_array_equal(toy["delta_w"], bolt())
    np.testing.assert_allclose(toy["singular_values/delta_w"], np.linalg.svd(bolt(), compute_uv=False))
    assert {row["path"] for row in toy.record["artifacts"]} >= {"film.mp4", "sheet.png", "states.safetensors"}


def test_the_toy_is_the_same_each_time(toy, tmp_path):
    again = made(tmp_path / "run")
    wanted = {row["path"]: row["sha256"] for row in toy.record["artifacts"]}
    assert {row["path"]: row["sha256"] for row in again.record["artifacts"]} == wanted


def test_the_toys_card_is_four_copies(toy):
    """A sheet is a band; a gallery's card is square."""
    copies = card(toy, DARK)
    assert [copy.shape for copy in copies] == [(256, 256, 3)] * 4
    np.testing.assert_array_equal(copies[-1][::16, ::16], signed_picture(bolt(), 1.0, DARK))
    shown = Image.open(io.BytesIO(thumbnail(toy.folder, 128)))
    assert shown.size == (128, 128)


def test_the_toy_never_loads_torch(tmp_path):
    code = (
        "import sys\n"
        "for name in ('torch', 'diffusers', 'transformers', 'ml_dtypes'): sys.modules[name] = None\n"
        "sys.argv = ['denoisecli', 'lora-rank', '--set', 'ranks=[1,3]', '--set', 'film.size=640x360', '-o', 'run']\n"
        "from denoisecli.cli import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "run"), done.stderr


def test_a_matrix_from_a_file(tmp_path):
    matrix = np.random.default_rng(0).standard_normal((12, 5))
    np.save(tmp_path / "m.npy", matrix.astype(np.float32))
    trace = made(tmp_path / "run", matrix=str(tmp_path / "m.npy"), ranks="1-5")
    np.testing.assert_allclose(trace["delta_w"], matrix, atol=1e-6)
    assert trace.record["runs"][-1]["error"] < 1e-12


def test_a_picture_is_its_grey_levels(tmp_path):
    Image.new("RGB", (400, 200), (255, 255, 255)).save(tmp_path / "white.png")
    matrix = read_matrix(tmp_path / "white.png")
    assert matrix.shape == (96, 192)
    assert (matrix == 1).all()


@pytest.mark.parametrize(("most", "ranks"), [(1, (1,)), (4, (1, 2, 3, 4)), (32, tuple(range(1, 33)))])
def test_usual_ranks_of_a_matrix(most, ranks):
    assert ranks_to_show(most) == ranks


def test_usual_ranks_of_a_large_matrix():
    ranks = ranks_to_show(1000)
    assert len(ranks) <= 32
    assert (ranks[0], ranks[-1]) == (1, 1000)


def test_a_matrix_of_zeros():
    subject = cut_matrix("zeros", np.zeros((3, 4)), (1, 2))
    assert [row["error"] for row in subject.rows] == [0, 0]


def _bomb(path):
    """A PNG that claims 60,000 × 60,000 pixels."""
    Image.new("L", (8, 8)).save(path)
    raw = bytearray(path.read_bytes())
    import zlib

    raw[16:24] = (60_000).to_bytes(4, "big") * 2
    raw[29:33] = zlib.crc32(bytes(raw[12:29])).to_bytes(4, "big")
    path.write_bytes(raw)


def _npy(array):
    return lambda path: np.save(path, array, allow_pickle=True)


BAD_MATRICES = [
    pytest.param("x.npy", lambda path: None, MediaError, "is not there", id="missing"),
    pytest.param("x.npy", lambda path: path.mkdir(), MediaError, "is a folder", id="folder"),
    pytest.param("x.npy", lambda path: path.write_bytes(b"no array"), MediaError, "cannot be read as a matrix", id="x"),
    pytest.param("x.npy", lambda path: path.write_bytes(b""), MediaError, "cannot be read as a matrix", id="empty"),
    pytest.param("x.npy", _npy(np.array([[{}]])), MediaError, "cannot be read as a matrix", id="pickled objects"),
    pytest.param("x.npy", _npy(np.zeros((2, 2, 2))), MediaError, "not a matrix of numbers: it holds 2×2×2", id="3-D"),
    pytest.param("x.npy", _npy(np.zeros((0, 3))), MediaError, "not a matrix of numbers", id="nothing in it"),
    pytest.param("x.npy", _npy(np.array([["a"]])), MediaError, "not a matrix of numbers", id="words"),
    pytest.param("x.npy", _npy(np.zeros((5000, 2))), MediaError, "at most 4096 a side", id="too long"),
    pytest.param("x.npy", _npy(np.full((2, 2), np.nan)), MediaError, "NaN", id="NaN"),
    pytest.param("x.png", _bomb, MediaError, "at most 64 million are read", id="picture bomb"),
    pytest.param("x.png", lambda path: path.write_bytes(b"no"), MediaError, "not a picture", id="no picture"),
    pytest.param("x.png", lambda path: path.mkdir(), MediaError, "is not a file", id="a folder named like a picture"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "write", "kind", "sentence"), BAD_MATRICES)
def test_bad_matrices(tmp_path, name, write, kind, sentence):
    write(tmp_path / name)
    config = LoraRankConfig(matrix=str(tmp_path / name))
    with pytest.raises(kind, match=sentence) as caught:
        plan(config, tmp_path / "run", None, force=False)
    assert "\n" not in caught.value.message
    assert not (tmp_path / "run").exists()


def test_a_matrix_has_no_such_rank(tmp_path):
    with pytest.raises(UsageError, match="17 is more than a 16×16 matrix can have"):
        plan(LoraRankConfig(ranks=[17]), tmp_path / "run", None, force=False)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        pytest.param({"ranks": []}, "no ranks", id="none"),
        pytest.param({"ranks": [0]}, "rank 0 is out of range", id="zero"),
        pytest.param({"ranks": ["4-1"]}, "out of range", id="backwards"),
        pytest.param({"ranks": "four"}, '"four" is not a rank', id="a word"),
        pytest.param({"ranks": [4, "1-4"]}, "rank 4 is there twice", id="twice"),
        pytest.param({"ranks": 2.5}, "2.5 is not a rank", id="a fraction"),
        pytest.param({"ranks": "1-100"}, "100 ranks are too many", id="many"),
        pytest.param({"energies": [1.5]}, "out of range", id="energy above one"),
        pytest.param({"energies": [0.5, 0.5]}, "0.5 is there twice", id="energy twice"),
        pytest.param({"ratios": [1.0]}, "out of range", id="ratio of one"),
        pytest.param({"scales": [99.0]}, "out of range", id="a huge scale"),
        pytest.param({"lora": "a", "matrix": "b"}, "keep one of them", id="two subjects"),
        pytest.param({"matrix": "b", "images": True}, "a matrix has ranks only", id="images of a matrix"),
        pytest.param({"rnaks": [1]}, 'did you mean "ranks"', id="a slip"),
    ],
)
def test_bad_configs(values, sentence):
    with pytest.raises(ConfigError, match=sentence):
        build(LoraRankConfig, [Layer(values, source="x.yaml")])


@pytest.mark.parametrize("values", [{"rank": 4}, {"ranks": 4}, {"ranks": [4]}, {"ranks": "4"}])
def test_one_rank(values):
    assert build(LoraRankConfig, [Layer(values, source="x.yaml")]).ranks == (4,)


@pytest.fixture
def style(tmp_path):
    return save(kohya_tensors(), tmp_path / "style.safetensors", {"ss_network_dim": "8"})


def test_a_file_is_cut_by_every_rule(style, tmp_path):
    trace = made(tmp_path / "run", lora=str(style), ranks=[1, 4], energies=[0.9], ratios=[3.0])
    rows = {row["rule"]: row for row in trace.record["runs"]}
    assert rows.keys() == {"rank-1", "rank-4", "energy-0.9", "ratio-3"}
    assert rows["energy-0.9"]["energy"] >= 0.9
    for row in rows.values():
        path = tmp_path / "run" / row["file"]
        assert path.stat().st_size == row["bytes"]
        assert row["error"] == pytest.approx(np.sqrt(1 - row["energy"]))
        assert sum(a.size for n, a in load_file(path).items() if "alpha" not in n) == row["params"]
    assert trace.record["lora"]["rank"] == 8
    assert sum(name.startswith("singular_values/") for name in trace.arrays) == 4


def test_its_config_makes_it_again(style, tmp_path):
    from denoisecli.config.load import load_configs

    made(tmp_path / "run", lora=str(style), energies=[0.9])
    (config,) = load_configs(LoraRankConfig, [str(tmp_path / "run" / "config.yaml")])
    assert plan(config, tmp_path / "run", None, force=False).folder.done


def test_usual_ranks_of_a_file(style, tmp_path):
    config = plan(LoraRankConfig(lora=str(style)), tmp_path / "run", None, force=False).config
    assert config.ranks == (1, 2, 4, 8)


def test_ranks_above_the_files(style, tmp_path):
    with pytest.raises(UsageError, match=r"16 is above the rank of .*style\.safetensors, which is 8"):
        plan(LoraRankConfig(lora=str(style), ranks=[4, 16]), tmp_path / "run", None, force=False)


def test_cuts_of_one_size_stand_by_their_number(tmp_path):
    """Ranks above what a layer can have leave files alike: 8, 16, 32, not 16, 32, 8."""
    narrow = {"down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q": (8, 8, ())}
    path = save(kohya_tensors(rank=32, shapes=narrow), tmp_path / "wide.safetensors")
    rows = made(tmp_path / "run", lora=str(path)).record["runs"]
    assert [row["rule"] for row in rows] == [f"rank-{rank}" for rank in (1, 2, 4, 8, 16, 32)]


class Listening(Report):
    """A report that keeps its warnings."""

    def __init__(self):
        self.said = []

    def warn(self, message):
        self.said.append(message)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({}, None, id="nothing to say"),
        pytest.param({"alpha": 0.0}, "changes nothing", id="alpha 0"),
        pytest.param({"zero": True}, "changes nothing", id="zeros"),
        pytest.param({"more": {"a.diff": np.ones(3, np.float32)}}, "1 of its tensors", id="differences"),
    ],
)
def test_what_is_told_of_a_file(tmp_path, changes, said):
    tensors = kohya_tensors(alpha=changes.get("alpha", 4.0)) | changes.get("more", {})
    if changes.get("zero"):
        tensors = {name: value * 0 if "lora_up" in name else value for name, value in tensors.items()}
    path, report = save(tensors, tmp_path / "x.safetensors"), Listening()
    config = LoraRankConfig.model_validate({"film": SMALL, "lora": str(path), "ranks": [2]})
    plan(config, tmp_path / "run", None, force=False).make(report)
    assert [said in message for message in report.said] == ([] if said is None else [True])


def test_nothing_is_left_of_a_file_with_nan(tmp_path):
    tensors = kohya_tensors()
    next(iter(tensors.values()))[0, 0] = np.nan
    path = save(tensors, tmp_path / "nan.safetensors")
    with pytest.raises(ModelError, match="NaN"):
        made(tmp_path / "run", lora=str(path))
    assert not list((tmp_path / "run.partial" / "loras").glob("*"))


@pytest.mark.parametrize(
    ("write", "sentence", "code"),
    [
        pytest.param(lambda path: None, "there is no such file", 1, id="missing"),
        pytest.param(lambda path: path.mkdir(), "is a folder, not a file", 1, id="folder"),
        pytest.param(lambda path: path.write_bytes(b"\x80\x02}q\x00."), "a Python pickle", 1, id="pickle"),
        pytest.param(lambda path: save({"x": np.ones(3)}, path), "is not a LoRA", 1, id="no LoRA"),
    ],
)
def test_the_command_says_it_in_one_line(tmp_path, write, sentence, code):
    path = tmp_path / "style.safetensors"
    write(path)
    command = [sys.executable, "-m", "denoisecli", "lora-rank", "--lora", str(path), "-o", "run"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (code, "")
    assert sentence in done.stderr.splitlines()[0]
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("run*"))


@pytest.fixture(scope="module")
def painted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("painted")
    path = save(pocket_tensors(rank=4), folder / "pocket.safetensors")
    values = {"ranks": [1, 4], "images": True, "scales": [0.0, 1.0], "seeds": [7], "steps": 2, "size": 64}
    return made(folder / "run", lora=str(path), device="cpu", **values), folder / "run"


def test_pictures_at_every_rank(painted):
    trace, folder = painted
    rows = {row["rule"]: row for row in trace.record["runs"]}
    assert list(rows) == ["off", "rank-1", "rank-4", "whole", "scale-0", "scale-1"]
    assert rows["whole"]["distance_to_full"] == rows["scale-1"]["distance_to_full"] == 0
    assert rows["scale-0"]["distance_to_full"] == pytest.approx(rows["off"]["distance_to_full"], rel=1e-4)
    assert 0 < rows["rank-4"]["distance_to_full"] < 0.02 < rows["rank-1"]["distance_to_full"]
    assert trace["final"].shape[:2] == (6, 1)
    assert {path.name for path in (folder / "images").iterdir()} == {f"{rule}-seed-7.png" for rule in rows}
    kinds = {row["path"] for row in trace.record["artifacts"]}
    assert kinds >= {"film.mp4", "sheet.png", "views/blocks.mp4", "views/blocks.png", "views/scales.mp4"}


def test_pictures_say_what_made_them(painted):
    _, folder = painted
    text = Image.open(folder / "images" / "rank-1-seed-7.png").text["parameters"]
    assert "<lora:rank-1:1>" in text
    assert "Seed: 7" in text


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        pytest.param(
            "a castle", ['hot-air-balloon.safetensors was trained on the words "hot-air balloon"'], id="lacks"
        ),
        pytest.param("a Hot-air balloon at noon", [], id="holds them"),
    ],
)
def test_words_that_a_lora_was_trained_on(prompt, said):
    from types import SimpleNamespace

    from denoisecli.labs.lora_rank.file import find_lora
    from denoisecli.labs.lora_rank.images import warn_of_trigger_words
    from denoisecli.lora.file import open_lora

    warnings = []
    job = SimpleNamespace(config=SimpleNamespace(prompt=prompt), report=SimpleNamespace(warn=warnings.append))
    with open_lora(find_lora("pocket/hot-air-balloon")) as lora:
        warn_of_trigger_words(job, lora)
    assert [words.split(",")[0] for words in warnings] == said


def test_a_lora_of_another_model(tmp_path):
    path = save(kohya_tensors(), tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match="4 of 4 layers do not fit the model pocket") as caught:
        made(tmp_path / "run", lora=str(path), images=True, seeds=[7], steps=1, size=64, device="cpu")
    assert "looks made for" in caught.value.hint


def test_an_interrupted_run_goes_on_behind_its_last_variant(painted, tmp_path, monkeypatch):
    import denoisecli.labs.pictures as drawn
    from denoisecli.diffusion import batch as sample

    trace, folder = painted
    values = {name: trace.record["config"][name] for name in ("lora", "ranks", "images", "seeds", "steps", "scales")}
    values |= {"size": 64, "device": "cpu"}

    def stop(*_arguments):
        raise KeyboardInterrupt

    def never(*_arguments, **_options):
        raise AssertionError("sampled again")

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(drawn, "decode_finals", stop)
        made(tmp_path / "run", **values)
    monkeypatch.setattr(sample, "sample_batch", never)
    again = made(tmp_path / "run", **values)
    assert (folder / "states.safetensors").read_bytes() == (tmp_path / "run" / "states.safetensors").read_bytes()
    assert [row["distance_to_full"] for row in again.record["runs"]] == [
        row["distance_to_full"] for row in trace.record["runs"]
    ]


def test_memory_that_runs_out_in_one_variant_leaves_the_others_as_they_were(tmp_path, monkeypatch):
    """Each variant's batches are found again as they were cut, whatever became of the split behind them."""

    import denoisecli.labs.pictures as drawn
    from denoisecli.diffusion import batch as sample

    values = {"lora": "pocket/woodcut-print", "ranks": [1], "images": True, "seeds": [1, 2], "steps": 1, "size": 64}
    values["device"] = "cpu"
    real, sizes = sample.sample_batch, []

    def scarce(model, batch, **options):
        """The third batch of two (the whole LoRA's) does not fit; what is smaller does."""
        sizes.append(len(batch.seeds))
        if sizes[-1] == 2 and sizes.count(2) == 3:
            raise sample.OutOfMemory("A batch of 2 does not fit.", "")
        return real(model, batch, **options)

    def stop(*_arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(sample, "sample_batch", scarce)
    whole = made(tmp_path / "whole", **values)
    assert sizes == [2, 2, 2, 1, 1]
    sizes.clear()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(drawn, "decode_finals", stop)
        made(tmp_path / "run", **values)
    sizes.clear()
    again = made(tmp_path / "run", **values)
    assert sizes == []
    assert again.record["batches"] == whole.record["batches"] == [[1], [2]]
    assert again["final"].tobytes() == whole["final"].tobytes()


def test_the_pocket_models_own_loras(tmp_path, monkeypatch):
    import denoisecli.labs.lora_rank.file as lab

    monkeypatch.setattr(lab, "POCKET_LORAS", tmp_path)
    with pytest.raises(ModelError, match="has no LoRA of its own here"):
        lab.find_lora(None)
    for name in ("ink", "dusk"):
        save(kohya_tensors(), tmp_path / f"{name}.safetensors")
    assert lab.find_lora("pocket").stem == lab.find_lora(None).stem == "dusk"
    assert lab.find_lora("pocket/ink").stem == "ink"
    with pytest.raises(ModelError, match='no LoRA "inc"') as caught:
        lab.find_lora("pocket/inc")
    assert caught.value.hint == "It has: pocket/dusk, pocket/ink."
    config = plan(LoraRankConfig(lora="pocket"), tmp_path / "run", None, force=False).config
    assert (config.lora, config.title) == ("pocket/dusk", "dusk")


def test_a_piece_of_a_layer(style):
    from denoisecli.labs.lora_rank.subject import PIECE, strongest_piece
    from denoisecli.lora.file import open_lora

    with open_lora(style) as lora:
        layer = max(lora.layers, key=lambda layer: layer.full)
        piece = strongest_piece(lora, layer, (1, 8))
        whole = np.matmul(*lora.factors(layer))
    assert piece.matrix.shape == (min(PIECE, layer.rows), min(PIECE, layer.columns))
    assert np.abs(piece.matrix.ravel()[:, None] - whole.ravel()).min(axis=1).max() < 1e-4
    np.testing.assert_allclose(np.matmul(*piece.cuts[1]), piece.matrix, atol=1e-4)
    assert piece.rows[1]["energy"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("lora", "prompt"),
    [
        pytest.param("pocket/hot-air-balloon", "a hot-air balloon on a rocky cliff", id="a landmark"),
        pytest.param("pocket/woodcut-print", "waves, woodcut print", id="a style"),
    ],
)
def test_the_default_prompt_gets_the_words_of_a_built_in_lora(lora, prompt, tmp_path):
    config = plan(LoraRankConfig(lora=lora, images=True), tmp_path / "run", None, force=False).config
    assert prompt in config.prompt
    chosen = LoraRankConfig(lora=lora, images=True, prompt="a castle")
    assert plan(chosen, tmp_path / "run", None, force=False).config.prompt == "a castle"
    again = plan(LoraRankConfig(**config.model_dump()), tmp_path / "run", None, force=False)
    assert again.folder.hash == plan(config, tmp_path / "run", None, force=False).folder.hash


def test_words_stand_at_the_end_where_nothing_is_in_their_place():
    from denoisecli.lora.built_in import with_words

    assert with_words("a mill", "ink wash") == "a mill, ink wash"
    assert with_words("a mill, Ink Wash", "ink wash") == "a mill, Ink Wash"
    assert with_words("a mill", "") == "a mill"
