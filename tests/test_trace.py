"""A trace comes back as it was saved, and its record is plain JSON."""

import json

import numpy as np
import pytest
from safetensors.numpy import save

import denoisecli
from denoisecli.errors import NotRecorded
from denoisecli.trace import Trace
from denoisecli.trace_files import read_arrays, write_arrays


def trace():
    rng = np.random.default_rng(0)
    return Trace(
        "sample",
        {
            "x_t": rng.normal(size=(2, 4, 4, 8, 8)).astype(np.float32),
            "x0": rng.normal(size=(2, 3, 4, 8, 8)).astype(np.float16),
            "timesteps": np.array([951.0, 451.0, 1.0, 0.0]),
        },
        {"runs": [{"seed": 7}]},
    )


def test_round_trip(tmp_path):
    before = trace()
    after = denoisecli.load(before.save(tmp_path / "run"))
    assert after.arrays.keys() == before.arrays.keys()
    for name, array in before.arrays.items():
        np.testing.assert_array_equal(after[name], array)
        assert after[name].dtype == array.dtype
    assert after.record["schema"] == "denoisecli/trace/1"
    assert after.record["runs"] == [{"seed": 7}]


def test_files_are_for_everyone_to_read(tmp_path):
    trace().save(tmp_path)
    assert {oct(file.stat().st_mode)[-3:] for file in tmp_path.iterdir()} == {"644"}


def test_same_trace_same_bytes(tmp_path):
    one, two = trace().save(tmp_path / "1"), trace().save(tmp_path / "2")
    assert (one / "states.safetensors").read_bytes() == (two / "states.safetensors").read_bytes()


def test_guesses_end_with_the_result():
    guesses = trace().guesses
    assert guesses.shape == (2, 4, 4, 8, 8)
    np.testing.assert_array_equal(guesses[:, -1], trace().x_t[:, -1])


def test_missing_array_says_what_is_there():
    with pytest.raises(NotRecorded, match="no 'eps_cond'.*\n.*timesteps, x0, x_t"):
        assert trace().eps_cond is None


def test_not_a_number_is_refused(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        Trace("sample", {}, {"sigma": float("inf")}).save(tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda run: (run / "trace.json").unlink(), id="no trace"),
        pytest.param(lambda run: (run / "states.safetensors").unlink(), id="no states"),
        pytest.param(lambda run: (run / "trace.json").write_text("{"), id="torn json"),
        pytest.param(lambda run: (run / "states.safetensors").write_bytes(b"12345678"), id="torn states"),
    ],
)
def test_damaged_run(tmp_path, damage):
    run = trace().save(tmp_path / "run")
    damage(run)
    with pytest.raises(NotRecorded, match="run"):
        denoisecli.load(run)


def test_record_is_read_without_the_arrays(tmp_path):
    run = trace().save(tmp_path)
    assert json.loads((run / "trace.json").read_text())["lab"] == "sample"


def test_arrays_are_written_byte_for_byte_as_the_library_does(tmp_path):
    kinds = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"]
    arrays = {f"{kind}-ε": np.arange(6).reshape(1, 2, 3).astype(kind) for kind in kinds}
    arrays |= {"scalar": np.array(2.5), "none": np.zeros((0, 3), np.float32), "turned": np.eye(3)[:, ::-1].T}
    write_arrays(arrays, tmp_path / "here.safetensors")
    theirs = save({name: np.ascontiguousarray(array) for name, array in sorted(arrays.items())})
    assert (tmp_path / "here.safetensors").read_bytes() == theirs
    big = {"x": np.arange(4, dtype=">f4")}
    write_arrays(big, tmp_path / "big.safetensors")
    assert read_arrays(tmp_path / "big.safetensors")["x"].tolist() == [0, 1, 2, 3]
