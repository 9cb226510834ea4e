"""Safetensors files: what is damaged, cut off or something else is refused with one sentence."""

import json
import os
import pickle
import stat

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError
from safetensors.numpy import load, load_file, save

from denoisecli.errors import ModelError
from denoisecli.lora.safetensors import decode, encode, header_for, open_tensors, writing

PLAIN = save({"a.lora_down.weight": np.ones((2, 3), np.float32), "b": np.arange(4, dtype=np.float16)})


def with_header(header, data=b"\0" * 24):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(dtype="F32", shape=(2, 3), offsets=(0, 24)):
    return {"a": {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}}


BAD = [
    pytest.param(b"", "is empty", id="empty"),
    pytest.param(b"1234567", "not a safetensors file", id="seven bytes"),
    pytest.param(PLAIN[:-5], "cut off: 5 bytes are missing", id="cut off in the data"),
    pytest.param(PLAIN[:40], "cut off: its header", id="cut off in the header"),
    pytest.param(PLAIN + b"more", "4 bytes at its end belong to nothing", id="trailing bytes"),
    pytest.param((2**62).to_bytes(8, "little") + b"{}", "header alone", id="a header of 2^62 bytes"),
    pytest.param(with_header(b"{not json"), "not valid JSON", id="no JSON"),
    pytest.param(with_header(b'{"a":1,"a":2}'), "not valid JSON", id="a name twice"),
    pytest.param(with_header(b"{" + b'"a":{' * 100_000), "not valid JSON", id="deep nesting"),
    pytest.param(with_header(entry(offsets=(0, 20))), "should be 2×3 F32 but is given 20 bytes", id="too few bytes"),
    pytest.param(with_header(entry(offsets=(4, 28))), "where other data is", id="a hole"),
    pytest.param(with_header(entry() | {"b": entry()["a"]}), "where other data is", id="an overlap"),
    pytest.param(with_header(entry(offsets=(-8, 16))), "does not describe", id="negative offsets"),
    pytest.param(with_header(entry(shape=(2**40, 2**40))), "is given 24 bytes", id="a huge shape"),
    pytest.param(with_header(entry(shape=(2, -3))), "does not describe", id="a negative side"),
    pytest.param(with_header(entry(shape=(2, 3.0))), "does not describe", id="a fractional side"),
    pytest.param(with_header(entry(dtype="F33")), "does not describe", id="no such dtype"),
    pytest.param(with_header({"a": 3}), "does not describe", id="no entry"),
    pytest.param(
        with_header(entry() | {"__metadata__": {"x": 1}}), "metadata is not a table", id="metadata of numbers"
    ),
    pytest.param(pickle.dumps({"a": 1}), "a Python pickle", id="a pickle"),
    pytest.param(b"PK\x03\x04" + b"\0" * 50, "a zip archive", id="a zipped pickle"),
    pytest.param(b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "Git LFS pointer", id="LFS pointer"),
    pytest.param(b"<!DOCTYPE html><html>not found</html>", "a web page", id="HTML"),
]


@pytest.mark.parametrize(("raw", "sentence"), BAD)
def test_bad_files(tmp_path, raw, sentence):
    path = tmp_path / "style.safetensors"
    path.write_bytes(raw)
    with pytest.raises(ModelError, match=sentence) as caught, open_tensors(path):
        pass
    assert str(path) in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.exit_code == 1


def test_no_file(tmp_path):
    with pytest.raises(ModelError, match="there is no such file"), open_tensors(tmp_path / "none.safetensors"):
        pass


def test_a_folder(tmp_path):
    with pytest.raises(ModelError, match="is a folder, not a file"), open_tensors(tmp_path):
        pass


@pytest.mark.parametrize("suffix", [".ckpt", ".pt", ".pth", ".bin"])
def test_pickles_are_never_opened(tmp_path, suffix):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    path = tmp_path / f"style{suffix}"
    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ModelError, match="pickle") as caught, open_tensors(path):
        pass
    assert "Convert it to .safetensors" in caught.value.hint
    assert not (tmp_path / "sprung").exists()


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz") / "x.safetensors"


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_takes_nothing_that_safetensors_refuses(fuzzed, data):
    raw = bytearray(PLAIN)
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 25))] = data.draw(st.integers(0, 255))
    fuzzed.write_bytes(raw)
    try:
        truth = load(bytes(raw))
    except (SafetensorError, KeyError):
        truth = None
    try:
        with open_tensors(fuzzed) as file:
            names = set(file.tensors)
    except ModelError:
        return
    assert truth is not None
    assert names == set(truth)


@pytest.mark.parametrize(
    ("dtype", "numpy"), [("F64", "f8"), ("F32", "f4"), ("F16", "f2"), ("BF16", ml_dtypes.bfloat16)]
)
def test_dtypes(dtype, numpy):
    values = np.random.default_rng(0).standard_normal(1000) * 10.0 ** np.arange(-4, 4).repeat(125)
    stored = values.astype(numpy) if dtype != "BF16" else values.astype("f4").astype(numpy)
    assert encode(values, dtype) == stored.tobytes()
    np.testing.assert_array_equal(decode(stored.tobytes(), dtype), stored.astype(np.float64))


def test_written_files_are_read_by_safetensors(tmp_path):
    planned = {"a": ("F16", (3,)), "b": ("F32", ()), "c": ("F64", (1, 2))}
    path = tmp_path / "deep" / "x.safetensors"
    with writing(path, planned, {"who": "mé"}) as put:
        put("c", np.array([[1.0, 2.0]]).tobytes())
        put("a", np.array([1, 2, 3], np.float16).tobytes())
        put("b", np.float32(7).tobytes())
    read = load_file(path)
    assert {name: array.tolist() for name, array in read.items()} == {"a": [1, 2, 3], "b": 7.0, "c": [[1.0, 2.0]]}
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~_umask()
    _, places = header_for(planned, {"who": "mé"})
    assert all(place % {"a": 2, "b": 4, "c": 8}[name] == 0 for name, place in places.items())


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize("fault", [RuntimeError, KeyboardInterrupt])
def test_nothing_is_left_of_a_file_that_failed(tmp_path, fault):
    path = tmp_path / "x.safetensors"
    with pytest.raises(fault), writing(path, {"a": ("F16", (3,))}, {}):
        raise fault
    with pytest.raises(ValueError, match="never written"), writing(path, {"a": ("F16", (3,))}, {}):
        pass
    assert not list(tmp_path.iterdir())
