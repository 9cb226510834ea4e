"""Pages of weights files that are mapped into memory, given back."""

import re
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from denoisecli.diffusion import mapped
from denoisecli.diffusion.models import load_model
from tests.original_layout import write_original
from tests.tiny import tiny_text_sd

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux tells what is mapped")
MB = 1 << 20


@pytest.fixture
def file(tmp_path):
    """A weights file of 32 MB."""
    save_file({"a": torch.arange(8 * MB, dtype=torch.float32)}, tmp_path / "weights.safetensors")
    return tmp_path / "weights.safetensors"


def resident(path):
    """Return the bytes of the file that are in this process's memory."""
    text = Path("/proc/self/smaps").read_text()
    places = [match.end() for match in re.finditer(rf".* {re.escape(str(path))}\n", text)]
    return sum(int(re.compile(r"Rss: +(\d+) kB").search(text, place)[1]) << 10 for place in places)


def test_pages_are_given_back_and_come_again(file):
    weights = load_file(file)["a"]
    total = weights.double().sum()
    assert resident(file) > 30 * MB
    assert mapped.give_back([file]) > 30 * MB
    assert resident(file) < MB
    assert weights.double().sum() == total


def test_what_was_written_in_memory_is_not_lost(file):
    weights = load_file(file)["a"]
    weights[5] = -1.0
    assert mapped.give_back([file]) == 0
    assert weights[5] == -1.0


def test_other_files_are_left_alone(file, tmp_path):
    weights = load_file(file)["a"]
    weights.sum()
    assert mapped.give_back([tmp_path / "another.safetensors"]) == 0
    assert resident(file) > 30 * MB


def test_a_link_is_the_file_that_it_leads_to(file, tmp_path):
    (tmp_path / "link.safetensors").symlink_to(file)
    weights = load_file(tmp_path / "link.safetensors")["a"]
    weights.sum()
    mapped.give_back([tmp_path / "link.safetensors"])
    assert resident(file) < MB


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_model_is_the_same_where_pages_are_given_back_at_every_tensor(tmp_path, monkeypatch, dtype):
    pipe = tiny_text_sd().to(torch.float16)
    pipe.save_pretrained(tmp_path / "half")  # its configs
    file = write_original(pipe, tmp_path / "half.safetensors")
    monkeypatch.setattr(mapped, "EVERY", 1)
    model = load_model(str(file), "cpu", dtype)
    for name in ("unet", "vae", "text_encoder"):
        for key, value in getattr(model.pipe, name).state_dict().items():
            assert torch.equal(value, getattr(pipe, name).state_dict()[key].to(value.dtype)), key
