"""Patterns and readers that meet text from elsewhere take time in proportion to its length, whatever stands in it."""

import time

import pytest

from denoisecli.batch.stream import split
from denoisecli.config.load import load_configs
from denoisecli.diffusion.quiet import _PARAMETER
from denoisecli.errors import ConfigError, ModelError
from denoisecli.labs.sample.config import SampleConfig
from denoisecli.lora.blocks import short_name
from denoisecli.lora.safetensors import open_tensors

N = 200_000


def config(text):
    def read(tmp_path):
        (tmp_path / "x.yaml").write_text(text)
        with pytest.raises(ConfigError) as caught:
            load_configs(SampleConfig, [str(tmp_path / "x.yaml")])
        assert len(str(caught.value)) < 20_000

    return read


def product_of_sides(tmp_path):
    header = b'{"w": {"dtype": "F32", "shape": [' + b",".join([b"9" * 18] * N) + b'], "data_offsets": [0, 4]}}'
    (tmp_path / "x.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    with pytest.raises(ModelError, match="does not describe"), open_tensors(tmp_path / "x.safetensors"):
        pytest.fail("opened")


@pytest.mark.parametrize(
    "read",
    [
        pytest.param(lambda _: _PARAMETER.search("a.weigh." * N), id="names of parameters in a message"),
        pytest.param(lambda _: short_name("a" * N + "_"), id="a layer's name of one word"),
        pytest.param(lambda _: short_name("img_" * N + "\n\n"), id="a layer's name of many words"),
        pytest.param(lambda _: list(split([b'{"' + b'\\"' * N])), id="a string on stdin that is not closed"),
        pytest.param(lambda _: list(split([b'\\"' * N])), id="backslashes on stdin outside of strings"),
        pytest.param(product_of_sides, id="a tensor of many sides"),
        pytest.param(config("%YAML 1.1\n---\nsteps: " + "1:" * N + "1\n"), id="YAML 1.1's hours and minutes"),
        pytest.param(config("seeds: [" + "1, " * N + "]\n"), id="a long list"),
        pytest.param(config("".join(f"promptt{k}: 1\n" for k in range(5000))), id="unknown keys"),
    ],
)
def test_time_is_in_proportion(tmp_path, read):
    """Each took minutes, or its share of the square; a few seconds on a slow machine now."""
    began = time.process_time()
    read(tmp_path)
    assert time.process_time() - began < 15
