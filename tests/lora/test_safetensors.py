"""What is opened as a safetensors file is looked at before it is read."""

import json
import os

import pytest

from denoisecli.errors import ModelError
from denoisecli.lora.safetensors import open_tensors


@pytest.mark.parametrize(
    ("make", "says"),
    [
        pytest.param(os.mkfifo, "is not a file but a pipe", id="pipe"),
        pytest.param(lambda path: path.symlink_to("/dev/zero"), "is not a file but a device", id="device"),
        pytest.param(lambda path: path.symlink_to(path.name), "is a link that leads in a circle", id="circle"),
    ],
)
def test_what_is_no_file_is_said_at_once(tmp_path, make, says):
    make(tmp_path / "x.safetensors")
    with pytest.raises(ModelError, match=says), open_tensors(tmp_path / "x.safetensors"):
        pytest.fail("opened")


def one_tensor(path, dtype, shape, size):
    header = json.dumps({"w": {"dtype": dtype, "shape": shape, "data_offsets": [0, size]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(size))
    return path


@pytest.mark.parametrize(
    ("dtype", "shape", "size"),
    [("F8_E4M3FNUZ", [3, 2], 6), ("F8_E5M2FNUZ", [4], 4), ("F4", [4], 2), ("F6_E2M3", [4], 3), ("F6_E3M2", [8], 6)],
)
def test_young_types_are_known_and_named_where_they_would_be_read(tmp_path, dtype, shape, size):
    """safetensors' own sizes: a number of F4 has 4 bits, of F6 six."""
    with open_tensors(one_tensor(tmp_path / "x.safetensors", dtype, shape, size)) as file:
        assert file.tensors["w"].count == shape[0] * (shape[1] if len(shape) > 1 else 1)
        with pytest.raises(ModelError, match=f"w is stored as {dtype}, which is not read here"):
            file.read("w")


@pytest.mark.parametrize("dtype", ["F33", "f32", 7, "F4"], ids=["unknown", "small", "a number", "within a byte"])
def test_types_that_are_none(tmp_path, dtype):
    path = one_tensor(tmp_path / "x.safetensors", dtype, [3], 2)
    with pytest.raises(ModelError, match="is damaged"), open_tensors(path):
        pytest.fail("opened")
