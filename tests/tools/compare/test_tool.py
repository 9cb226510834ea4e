"""The folder of a comparison: film, sheet and numbers from two stored runs, and what is refused."""

import json

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from denoisecli.errors import NotRecorded, RunFolderError, UsageError
from denoisecli.figures.theme import DARK
from denoisecli.media.picture_file import PictureFile, write_pictures
from denoisecli.report import Report
from denoisecli.runs.catalog import delete
from denoisecli.tools.compare.tool import compare_runs, rows_by_view
from denoisecli.trace_files import write_arrays
from tests.hand_made import hand_made_run

pytestmark = pytest.mark.slow

STEPS, SIDE = 3, 64
SMALL = ["steps=3", "size=64", "film.size=640x360", "film.hold_s=0.1"]


def stored(folder, *pairs, seeds=(7,), steps=STEPS, random=0, pictures=True, lab="sample", scales=()):
    """A run with states and pictures of noise."""
    rng = np.random.default_rng(random)
    lead = (len(scales), len(seeds)) if scales else (len(seeds),)
    runs = [{"seed": seed, "cfg": 7.5} for _ in scales or [0] for seed in seeds]
    record = {"runs": runs, "schedule_kind": "vp", "hash": f"{random:08d}", "scales": [{"label": s} for s in scales]}
    run = hand_made_run(folder, lab, *SMALL, f"seeds={list(seeds)}", *pairs, film=False, **record)
    arrays = {
        "x_t": rng.standard_normal((*lead, steps + 1, 4, 8, 8)).astype(np.float32),
        "x0": rng.standard_normal((*lead, steps, 4, 8, 8)).astype(np.float32),
        "sigmas": np.append(np.geomspace(9, 0.5, steps), 0.0),
    }
    write_arrays(arrays, run / "states.safetensors")
    if pictures:
        shown = rng.integers(0, 256, (*lead, steps + 1, SIDE, SIDE, 3), np.uint8)
        write_pictures(run / "pictures.zip", {"canvas": shown, "guess": shown[..., ::-1]})
    return run


@pytest.mark.parametrize(
    ("a", "b"),
    [
        pytest.param({}, {"random": 1, "pairs": ["cfg=12.0"]}, id="one seed"),
        pytest.param({"seeds": (7, 21, 3)}, {"seeds": (21, 7), "random": 1}, id="two seeds of three"),
        pytest.param({}, {"steps": 5, "pairs": ["steps=5", "sampler=euler"]}, id="other steps"),
        pytest.param({}, {"lab": "cfg-sweep", "scales": ("1", "7.5")}, id="a sample and a sweep"),
        pytest.param({"pairs": ["film.size=360x640"]}, {"seeds": (8,), "random": 2}, id="tall film, other seed"),
    ],
)
def test_folder_is_whole(tmp_path, a, b):
    runs = [stored(tmp_path / name, *kw.pop("pairs", []), **kw) for name, kw in (("a", dict(a)), ("b", dict(b)))]
    made = compare_runs(*runs, Report(), runs_dir=tmp_path / "runs")
    assert made.folder.parent == tmp_path / "runs" / "compare"
    assert {file.name for file in made.folder.iterdir()} == {"compare.json", "film.mp4", "sheet.png"}
    record = json.loads((made.folder / "compare.json").read_text(encoding="utf-8"))
    assert record == made.record
    states = len(record["pairs"][0]["states"])
    frames, _ = imageio_ffmpeg.count_frames_and_secs(str(made.folder / "film.mp4"))
    assert frames == states - 1 + 5
    with Image.open(made.folder / "sheet.png") as sheet:
        assert min(sheet.size) > 300


def test_rm_knows_a_comparison(tmp_path):
    made = compare_runs(stored(tmp_path / "a"), stored(tmp_path / "b", random=1), Report(), out=tmp_path / "c").folder
    (made / "notes.txt").write_text("mine")
    with pytest.raises(RunFolderError, match=r"did not make: notes\.txt"):
        delete(made)
    (made / "notes.txt").unlink()
    delete(made)
    assert not made.exists()
    made.mkdir()
    (made / "compare.json").write_text('{"hash": "1"}')  # of somebody else
    with pytest.raises(RunFolderError, match="not a run of ours"):
        delete(made)


def test_the_film_comes_in_the_formats_of_the_first_run(tmp_path):
    runs = [stored(tmp_path / "a", "film.formats=[gif, webm]"), stored(tmp_path / "b", random=1)]
    made = compare_runs(*runs, Report(), runs_dir=tmp_path / "runs")
    films = {row["path"] for row in made.record["artifacts"] if row["kind"] == "film"}
    assert films == {"film.mp4", "film.gif", "film.webm"}
    assert all((made.folder / film).stat().st_size for film in films)


def test_difference_of_equal_pictures_is_empty_and_of_others_is_not(tmp_path):
    from denoisecli.tools.compare.film import Versus
    from denoisecli.tools.compare.states import compare
    from denoisecli.trace import load

    a, b = stored(tmp_path / "a"), stored(tmp_path / "b", random=1)
    with PictureFile.open(a / "pictures.zip") as one, PictureFile.open(b / "pictures.zip") as other:
        same = Versus(compare(load(a), load(a)), rows_by_view(one), rows_by_view(one), ("", ""), DARK)
        apart = Versus(compare(load(a), load(b)), rows_by_view(one), rows_by_view(other), ("", ""), DARK)
        assert (np.asarray(same.difference("guess", 0, 1)) == DARK.panel).all()
        shown = np.asarray(apart.difference("guess", 0, 1)).astype(int)
        expected = np.abs(one["guess"][0, 1].astype(int) - other["guess"][0, 1]).max(axis=-1)
    red = DARK.panel[0] + (DARK.ink[0] - DARK.panel[0]) * np.minimum(expected * apart.gain, 255) / 255
    np.testing.assert_allclose(shown[..., 0], red, atol=1)


def test_the_same_again_is_found_and_the_same_bytes(tmp_path):
    a, b = stored(tmp_path / "a"), stored(tmp_path / "b", random=1)
    first = compare_runs(a, b, Report(), out=tmp_path / "c")
    film = (first.folder / "film.mp4").read_bytes()
    written = (first.folder / "compare.json").stat().st_mtime_ns
    assert compare_runs(a, b, Report(), out=tmp_path / "c").record == first.record
    assert (first.folder / "compare.json").stat().st_mtime_ns == written
    compare_runs(a, b, Report(), out=tmp_path / "c", force=True)
    assert (first.folder / "film.mp4").read_bytes() == film


@pytest.mark.parametrize(
    ("prepare", "error", "message"),
    [
        pytest.param(lambda p: stored(p / "b", pictures=False), NotRecorded, "b holds no pictures", id="no pictures"),
        pytest.param(lambda p: hand_made_run(p / "b"), NotRecorded, r"no states\.safetensors", id="no states"),
        pytest.param(lambda p: p, NotRecorded, r"no trace\.json", id="no run"),
        *(
            pytest.param(
                lambda p, name=name: lacking(p / "b", name),
                NotRecorded,
                rf"b cannot be compared\. .* no '{name}'",
                id=name,
            )
            for name in ("sigmas", "x_t", "x0")
        ),
        pytest.param(lambda p: noise(p / "b"), UsageError, "A noise run has no sampled", id="noise"),
    ],
)
def test_refused_and_nothing_left(tmp_path, prepare, error, message):
    with pytest.raises(error, match=message):
        compare_runs(stored(tmp_path / "a"), prepare(tmp_path), Report(), runs_dir=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def lacking(folder, name):
    """A run whose states file lacks an array, as one that another program has written anew may."""
    from safetensors.numpy import load_file

    run = stored(folder, random=1)
    arrays = load_file(run / "states.safetensors")
    del arrays[name]
    write_arrays(arrays, run / "states.safetensors")
    return run


def noise(folder):
    run = hand_made_run(folder, "noise", film=False)
    write_arrays({"x0": np.zeros((3, 8, 8), np.float32)}, run / "states.safetensors")
    return run


def test_a_run_is_never_replaced_by_its_comparison(tmp_path):
    a, b = stored(tmp_path / "a"), stored(tmp_path / "b", random=1)
    with pytest.raises(RunFolderError, match="is one of the runs"):
        compare_runs(a, b, Report(), out=tmp_path / "a", force=True)
    assert (a / "trace.json").is_file()
