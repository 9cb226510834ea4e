"""Every command on damaged run folders: a sentence of ours, or the work done; never a fault, a hang or a lost file."""

import contextlib
import json
import os
import re
import shutil
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from denoisecli.errors import NotRecorded
from denoisecli.trace import load
from denoisecli.trace_files import load_record
from tests.damage import OTHER, changed, check, commands, places, said, with_record
from tests.tools.test_render import made

FILM = {"size": 320, "fps": 2, "hold_s": 0.5}
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "3"))  # of each property; more draws more, and make fuzz ever others


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("whole")
    return {
        name: made(name, root / name, film=FILM)
        for name in ("noise", "toy", "sample", "cfg-sweep", "walk", "fork", "words")
    }


# The folders


def rewrite(run, change):
    """Change the arrays of a run."""
    arrays = load_file(run / "states.safetensors")
    change(arrays)
    (run / "states.safetensors").unlink()
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, run / "states.safetensors")


def arrays(**new):
    """Return a change of arrays: `new` holds functions of the old ones; None leaves one out."""

    def change(held):
        for name, of in new.items():
            old = held.pop(name)
            if of is not None:
                held[name] = of(old)

    return lambda run: rewrite(run, change)


def raw_states(content):
    def change(run):
        (run / "states.safetensors").unlink()
        (run / "states.safetensors").write_bytes(content)

    return change


def header(text, data=b""):
    text = text.encode()
    return raw_states(struct.pack("<Q", len(text)) + text + data)


def as_type(name, size):
    """Return states of a type that NumPy has not."""
    shape = [2, 3, 4, 8, 8]
    count = int(np.prod(shape)) * size
    return header(json.dumps({"x_t": {"dtype": name, "shape": shape, "data_offsets": [0, count]}}), bytes(count))


def pictures(index=None, *, method=zipfile.ZIP_STORED, flag=None, drop=False):
    """Return a change of pictures.zip: another index, other bits in its headers, or none of its pictures."""

    def change(run):
        old = run / "pictures.zip"
        with zipfile.ZipFile(old) as archive:
            held = {} if drop else {name: archive.read(name) for name in archive.namelist()}
        if index is not None:
            held["index.json"] = index if isinstance(index, bytes) else json.dumps(index).encode()
        old.unlink()
        with zipfile.ZipFile(old, "w", method) as archive:
            for name, content in held.items():
                archive.writestr(name, content)
        if flag is not None:
            raw = bytearray(old.read_bytes())
            for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
                at = raw.find(mark)
                while at >= 0:
                    raw[at + offset + flag[0]] = flag[1]
                    at = raw.find(mark, at + 1)
            old.write_bytes(bytes(raw))

    return change


def views(**shapes):
    return pictures({"views": {name: {"shape": shape} for name, shape in shapes.items()}})


def replaced(name, make):
    def change(run):
        place = run / name
        shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
        make(place)

    return change


def text(name, content):
    return replaced(name, lambda place: place.write_bytes(content if isinstance(content, bytes) else content.encode()))


def secret(place):
    place.symlink_to(Path(os.environ["SECRET"]))


READERS = {
    "film": ("gallery", "slides", "slides as text", "rm --yes"),
    "config": ("show", "slides as text", "rm --yes"),
    "sheet": ("gallery", "rm --yes"),
    "images": ("gallery", "render", "rm --yes"),
}
"""Which commands look at a file, where not all of them do."""

FILES = ("trace.json", "states.safetensors", "pictures.zip", "film.mp4", "config.yaml", "sheet.png", "images")
DAMAGE = {
    **{f"{name} is a pipe": replaced(name, os.mkfifo) for name in FILES},
    **{f"{name} is a folder": replaced(name, Path.mkdir) for name in FILES},
    **{f"{name} is a link to a device": replaced(name, lambda p: p.symlink_to("/dev/zero")) for name in FILES},
    **{f"{name} is a link to a file": replaced(name, secret) for name in FILES},
    **{f"{name} leads in a circle": replaced(name, lambda p: p.symlink_to(p.name)) for name in FILES},
    **{f"{name} is empty": text(name, "") for name in FILES},
    **{f"{name} is gone": replaced(name, lambda p: None) for name in FILES},
    "record: not UTF-8": text("trace.json", b'{"schema": "\xff"}'),
    "record: a list": text("trace.json", "[]"),
    "record: nested": text("trace.json", '{"schema":"denoisecli/trace/1","config":' + "[" * 900 + "]" * 900 + "}"),
    "record: nested deeper": text("trace.json", "[" * 200_000),
    "record: many lists": text("trace.json", '{"schema":"denoisecli/trace/1","runs":[' + "[]," * 400_000 + "[]]}"),
    "record: too large": text("trace.json", " " * (17 << 20) + "{}"),
    "record: a huge number": text("trace.json", '{"schema":"denoisecli/trace/1","runs":' + "9" * 5000 + "}"),
    "record: infinity": text("trace.json", '{"schema":"denoisecli/trace/1","lab":"sample","timings":{"sample":1e999}}'),
    "record: keys twice": text("trace.json", '{"schema":"denoisecli/trace/1","lab":"walk","lab":"sample","config":7}'),
    "states: flat": arrays(x_t=np.ravel),
    "states: one number": arrays(sigmas=lambda a: a[0]),
    "states: none": arrays(x_t=lambda a: a[:, :0]),
    "states: short sigmas": arrays(sigmas=lambda a: a[:-1]),
    "states: another count of seeds": arrays(x_t=lambda a: a[:1]),
    "states: all of another count": arrays(**{n: lambda a: a[:1] for n in ("x_t", "x0", "eps_cond", "eps_uncond")}),
    "states: other channels": arrays(x0=lambda a: a[:, :, :1]),
    "states: no latents": arrays(x_t=None, x0=None),
    "states: no levels": arrays(sigmas=None, timesteps=None, alpha_bars=None),
    "states: not a number": arrays(x_t=lambda a: a * np.nan),
    "states: infinite": arrays(x0=lambda a: a + np.inf),
    "states: infinite levels": arrays(sigmas=lambda a: a + np.inf),
    "states: whole numbers": arrays(x_t=lambda a: a.astype(np.int64)),
    "states: truths": arrays(x_t=lambda a: a > 0),
    "states: more axes": arrays(x_t=lambda a: a[..., None], x0=lambda a: a[..., None]),
    "states: BF16": as_type("BF16", 2),
    "states: F8": as_type("F8_E4M3", 1),
    "states: C64": as_type("C64", 8),
    "states: no header": raw_states(b"12345678"),
    "states: a header of a petabyte": raw_states(struct.pack("<Q", 1 << 50)),
    "states: a header that is a list": header("[]"),
    "states: offsets that are text": header('{"x_t":{"dtype":"F32","shape":[1],"data_offsets":"BF16"}}'),
    "states: offsets beyond the end": header('{"x_t":{"dtype":"F32","shape":[9],"data_offsets":[0,36]}}'),
    "states: a shape beyond memory": header(
        '{"x_t":{"dtype":"F32","shape":[1000000000,1000000000],"data_offsets":[0,4]}}'
    ),
    "pictures: a billion": views(canvas=[1_000_000_000, 3, 64, 64, 3], guess=[2, 3, 64, 64, 3]),
    "pictures: a billion finals": views(final=[1_000_000_000, 64, 64, 3]),
    "pictures: too large a side": views(canvas=[2, 3, 1 << 40, 64, 3]),
    "pictures: of another size": views(canvas=[2, 3, 32, 32, 3], guess=[2, 3, 32, 32, 3]),
    "pictures: fewer states": views(canvas=[2, 2, 64, 64, 3], guess=[2, 2, 64, 64, 3]),
    "pictures: fewer than said": pictures(drop=True, index={"views": {"canvas": {"shape": [1, 1, 64, 64, 3]}}}),
    "pictures: negative": views(canvas=[-2, 3, 64, 64, 3]),
    "pictures: fractions": views(canvas=[2.5, 3, 64, 64, 3]),
    "pictures: words": views(canvas="2364643"),
    "pictures: no views": pictures({"views": {}}),
    "pictures: views are a list": pictures({"views": [1]}),
    "pictures: an index that is text": pictures(b"views"),
    "pictures: an index of 64 MB": pictures(b" " * (64 << 20) + b"{}", method=zipfile.ZIP_DEFLATED),
    "pictures: an index nested deeply": pictures(b"[" * 100_000),
    "pictures: encrypted": pictures(flag=(0, 1)),
    "pictures: unknown method": pictures(flag=(2, 99)),
    "pictures: damaged LZMA": pictures(flag=(2, 14)),
    "pictures: damaged bzip2": pictures(flag=(2, 12)),
    "pictures: damaged deflate": pictures(flag=(2, 8)),
    "pictures: cut off": lambda run: os.truncate(replaced_copy(run / "pictures.zip"), 3000),
    "pictures: no zip": text("pictures.zip", b"PK\x05\x06" + b"\xff" * 18),
    "film: a playlist of another file": text("film.mp4", "#EXTM3U\n#EXTINF:1,\n/etc/hostname\n#EXT-X-ENDLIST\n"),
    "film: a list to concatenate": text("film.mp4", "ffconcat version 1.0\nfile /etc/hostname\n"),
    "film: cut off": lambda run: os.truncate(replaced_copy(run / "film.mp4"), 1500),
    "config: other text": text("config.yaml", b"\xff\xfe\x00"),
    "a link on the way": replaced("images", lambda place: place.symlink_to(Path(os.environ["SECRET"]).parent)),
}


def replaced_copy(path):
    """Give the copy a file of its own: the whole run keeps the one that both had."""
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    return path


def content(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and not path.is_symlink()}


@pytest.mark.parametrize("name", DAMAGE)
def test_no_command_has_a_fault_on_a_damaged_run(runs, tmp_path, monkeypatch, name):
    precious = tmp_path / "home" / "credentials"
    precious.parent.mkdir()
    precious.write_text("aws_secret = XYZZY")
    monkeypatch.setenv("SECRET", str(precious))
    whole, place = runs["sample"], tmp_path / "runs"
    place.mkdir()
    run, out = place / "damaged", tmp_path / "out"
    shutil.copytree(whole, run, copy_function=os.link)
    before = content(whole)
    DAMAGE[name](run)
    out.mkdir()
    of = re.split(r"\W", name)[0]
    for command, arguments in commands(run, whole, out).items():
        if command in READERS.get(of, (command,)):
            code, _ = check(command, arguments)
            assert not (code and command == "ls")
    assert precious.read_text() == "aws_secret = XYZZY"
    assert [path for path, held in content(out).items() if b"XYZZY" in held] == []
    assert content(whole) == before


@pytest.mark.parametrize("name", ["pictures: a billion finals", "pictures: an index of 64 MB", "pictures: encrypted"])
def test_one_damaged_run_spoils_no_gallery(runs, tmp_path, name):
    place = tmp_path / "runs"
    for each in ("whole", "damaged"):
        shutil.copytree(runs["sample"], place / each)
    DAMAGE[name](place / "damaged")
    code, _ = said(["gallery", str(place)])
    page = (place / "index.html").read_text()
    assert code == 0
    assert page.count('"thumb/') >= 1
    assert '"folder":"damaged"' in page.replace(" ", "")
    assert '"folder":"whole"' in page.replace(" ", "")


@pytest.mark.parametrize(("name", "view"), [("sample", "canvas"), ("cfg-sweep", "canvas"), ("walk", "final")])
@pytest.mark.parametrize("command", ["render", "compare"])
def test_pictures_that_no_states_come_to_are_not_drawn(runs, tmp_path, name, view, command):
    """Those of one colour have 100 kB at 8000 pixels a side, and took minutes and gigabytes."""
    run = tmp_path / "run"
    shutil.copytree(runs[name], run, copy_function=os.link)
    with zipfile.ZipFile(run / "pictures.zip") as archive:
        told = json.loads(archive.read("index.json"))["views"]
    told[view]["shape"][-3:] = [8000, 8000, 3]
    pictures({"views": told})(run)
    code, text = check(command, commands(run, runs[name], tmp_path)[command])
    assert code == 1
    assert f"view {view} in pictures.zip has pictures of 8000×8000" in text


# The records


@pytest.mark.parametrize("name", ["noise", "toy", "sample", "cfg-sweep", "walk", "fork", "words"])
def test_a_record_is_refused_by_its_key_or_read(runs, tmp_path, name):
    """Every key, with every kind of thing that JSON may hold: NotRecorded that names the file, or a record."""
    record = json.loads((runs[name] / "trace.json").read_text())
    file = tmp_path / "trace.json"
    refused = 0
    for number, place in enumerate(places(record)):
        for new in OTHER[number % 4 :: 4]:
            file.write_bytes(json.dumps(changed(record, place, new)).encode("utf-8", "surrogatepass"))
            with contextlib.suppress(NotRecorded):
                load_record(tmp_path)
                continue
            refused += 1
    assert refused > 250


NAMED = [
    ("runs", [1], "runs[0]"),
    ("environment", [1], "environment"),
    ("schedule", "x", "schedule"),
    ("config", 7, "config"),
    ("model", True, "model"),
    ("timings", {"sample": []}, "timings.sample"),
    ("hash", float("inf"), "Infinity"),
    ("artifacts", [{"path": 3, "kind": "image"}], "artifacts[0].path"),
    ("lab", 5, "lab"),
]


@pytest.mark.parametrize(("key", "value", "named"), NAMED)
@pytest.mark.parametrize("command", ["render", "slides", "compare"])
def test_the_key_that_is_wrong_is_named(runs, tmp_path, command, key, value, named):
    record = json.loads((runs["sample"] / "trace.json").read_text()) | {key: value}
    run = with_record(runs["sample"], tmp_path / "run", record)
    code, text = check(command, commands(run, runs["sample"], tmp_path)[command])
    assert code == 1
    assert "trace.json" in text
    assert named in text


@pytest.mark.parametrize("name", ["noise", "toy", "sample", "cfg-sweep", "walk", "fork", "words"])
@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_commands_on_records_changed_at_random(runs, tmp_path_factory, name, data):
    record = json.loads((runs[name] / "trace.json").read_text())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.sampled_from(list(places(record))))
        record = changed(record, place, data.draw(st.sampled_from(OTHER)), drop=data.draw(st.booleans()))
    folder = tmp_path_factory.mktemp("changed")
    run = with_record(runs[name], folder / "run", record)
    for command, arguments in commands(run, runs[name], folder).items():
        if not command.startswith(("ls", "slides as")):
            check(command, arguments)
    shutil.rmtree(folder)


@settings(max_examples=4 * EXAMPLES, suppress_health_check=list(HealthCheck))
@given(data=st.data())
@pytest.mark.parametrize("name", ["states.safetensors", "pictures.zip", "trace.json"])
def test_commands_on_files_changed_at_random(runs, tmp_path_factory, name, data):
    folder = tmp_path_factory.mktemp("torn")
    run = folder / "run"
    shutil.copytree(runs["sample"], run, copy_function=os.link)
    raw = bytearray((run / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, min(len(raw) - 1, 4000)) | st.integers(max(0, len(raw) - 4000), len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    (run / name).unlink()
    (run / name).write_bytes(bytes(raw))
    for command in ("show", "gallery", "compare"):
        check(command, commands(run, runs["sample"], folder)[command])
    shutil.rmtree(folder)


def test_a_run_of_an_older_version_is_read(runs, tmp_path):
    """It has fewer keys in its record, and fewer arrays."""
    newer = ("identity", "decoders", "schedule_kind", "batches", "packed", "environment", "command")
    record = json.loads((runs["sample"] / "trace.json").read_text())
    old = {key: value for key, value in record.items() if key not in newer}
    old["model"].pop("timestep_spacing")
    run = with_record(runs["sample"], tmp_path / "run", old | {"a_key_of_tomorrow": {"x": [1]}})
    rewrite(run, lambda held: [held.pop(name) for name in ("eps_cond", "eps_uncond")])
    assert load(run).record["a_key_of_tomorrow"] == {"x": [1]}
    for command in ("show", "compare", "slides", "export to a1111"):
        assert check(command, commands(run, runs["sample"], tmp_path)[command])[0] == 0


@pytest.mark.parametrize("name", ["sample", "cfg-sweep", "walk", "fork", "words"])
def test_a_whole_run_is_no_damaged_one(runs, tmp_path, name):
    """What catches the faults of damaged runs must not catch those of ours: all that can be done with a run is done."""
    run = tmp_path / "run"
    shutil.copytree(runs[name], run)
    for command, arguments in commands(run, runs[name], tmp_path / "out").items():
        (tmp_path / "out").mkdir(exist_ok=True)
        code, text = check(command, arguments)
        assert code == (2 if command == "rm" else 0), text
