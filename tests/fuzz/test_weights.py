"""Headers of safetensors files from anybody: tensors that are there, or our own errors."""

import json
import struct
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from denoisecli.errors import DenoiseError, ModelError, NotRecorded
from denoisecli.lora.file import open_lora
from denoisecli.lora.safetensors import BITS, open_tensors, size_of
from denoisecli.trace_files import read_arrays

from .made import NUMBERS, TEXTS, VALUES

MOST = 1 << 12  # bytes of data
OFFSETS = st.lists(st.integers(-2, MOST + 2) | NUMBERS, max_size=3) | VALUES
SHAPES = st.lists(st.integers(-1, 9) | st.sampled_from([2**31, 2**63, 10**30, 0, True, 1.5, "2", None]), max_size=5)
DTYPES = st.sampled_from([*BITS, "F128", "f32", "", "I4"])
ENTRIES = VALUES | st.fixed_dictionaries(
    {}, optional={"dtype": DTYPES | VALUES, "shape": SHAPES | VALUES, "data_offsets": OFFSETS, "x": VALUES}
)
LAYERS = st.sampled_from(
    [f"{stem}.{part}" for stem in ("lora_unet_down_blocks_0_attentions_0_proj_in", "unet.mid_block.x", "te.a", "")
     for part in ("lora_down.weight", "lora_up.weight", "lora_A.weight", "lora_B.weight", "alpha", "lora_mid.weight",
                  "hada_w1_a", "dora_scale", "bias")]
)  # fmt: skip
NAMES = LAYERS | TEXTS | st.just("__metadata__")


@st.composite
def fitting(draw):
    """Return a header whose entries fill their data one behind the other, as they should, before it is damaged."""
    header, at = {}, 0
    for name in draw(st.lists(NAMES, max_size=5, unique=True)):
        dtype, shape = draw(st.sampled_from(list(BITS))), draw(st.lists(st.integers(0, 6), max_size=4))
        size = -(-int(np.prod(shape)) * BITS[dtype] // 8)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    for name in draw(st.lists(st.sampled_from(sorted(header)), max_size=2)) if header else []:
        header[name] = draw(ENTRIES)
    return header, at


HEADERS = st.tuples(st.dictionaries(NAMES, ENTRIES, max_size=5) | VALUES, st.integers(0, MOST)) | fitting()
FILL = st.sampled_from([b"\0", b"\xff", b"\x7f\x80", b"\x00\x3c"])
LENGTHS = st.none() | st.integers(0, 200) | st.sampled_from([1 << 40, (1 << 64) - 1, 100_000_001])


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("weights") / "x.safetensors"


def spelt(header):
    try:
        return json.dumps(header).encode()
    except ValueError:  # of digits without an end
        return b'{"a": ' + b"9" * 5000 + b"}"


def written(file, found, bits, length):
    header, size = found
    raw = spelt(header)
    data = (bits * (size // len(bits) + 1))[:size]
    file.write_bytes(struct.pack("<Q", len(raw) if length is None else length) + raw + data)


@given(found=HEADERS, bits=FILL, length=LENGTHS)
def test_every_tensor_is_there_or_refused(file, found, bits, length):
    written(file, found, bits, length)
    with suppress(ModelError), open_tensors(file) as tensors:
        for name, info in tensors.tensors.items():
            name.encode()
            assert len(tensors.raw(name)) == size_of(info.dtype, info.shape)
            with suppress(ModelError):
                assert np.isfinite(tensors.read(name)).all()


@given(found=HEADERS, bits=FILL, length=LENGTHS)
def test_lora_files(file, found, bits, length):
    written(file, found, bits, length)
    with suppress(DenoiseError), open_lora(file) as lora:
        assert lora.extras is not None
        for layer in lora.layers:
            up, down = lora.factors(layer)
            assert (up.shape[1], down.shape[0]) == (layer.rank, layer.rank)
            assert np.isfinite(lora.scale(layer))


@given(found=HEADERS, bits=FILL, length=LENGTHS)
def test_models_look_at_it(file, found, bits, length):
    weights = pytest.importorskip("denoisecli.diffusion.weights")
    written(file, found, bits, length)
    with suppress(ModelError):
        for name, entry in weights.read_header(file).items():
            assert isinstance(name, str)
            assert isinstance(entry["dtype"], str)


@given(found=HEADERS, bits=FILL, length=LENGTHS)
def test_arrays_of_a_run(file, found, bits, length):
    written(file, found, bits, length)
    with suppress(ValueError, NotRecorded):
        for array in read_arrays(file).values():
            assert array.nbytes <= MOST + 64
