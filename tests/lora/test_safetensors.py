"""What is opened as a safetensors file is looked at before it is read."""

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
