"""What a model needs of memory by its files' headers, how it is placed by that, and that it paints the same."""

import importlib.metadata
import json
import re
import shutil
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from denoisecli.config.load import load_configs, settings
from denoisecli.diffusion import loading, memory, placing
from denoisecli.diffusion.adapters import add_loras
from denoisecli.diffusion.decode import decoder
from denoisecli.diffusion.denoiser import denoiser_of
from denoisecli.diffusion.memory import CHOICES, Estimate, Part, Saving, Work, estimate
from denoisecli.diffusion.models import Model, load_model
from denoisecli.errors import ModelError, UsageError
from denoisecli.registry import CONFIGS
from tests import full_size
from tests.families.folders import FOLDERS, write_lora
from tests.sampling import sample_batch
from tests.tiny import noise, tiny_text_sd

pytestmark = pytest.mark.filterwarnings("ignore:`FluxPosEmbed` is deprecated:FutureWarning")
GB = 10**9
DOCS = Path(__file__).parents[2] / "docs" / "models.md"
TOLERANCE = 0.02
"""Of the weights: positions and other tables that are computed, not stored, are not in a header."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return what makes a tiny folder, once: made("sd1"), made("flux")."""
    root = tmp_path_factory.mktemp("memory")

    def of(name):
        if not (root / name).exists():
            pipe = tiny_text_sd() if name == "sd1" else FOLDERS[name]()
            pipe.save_pretrained(root / name)
            if name != "sd1":
                write_lora(pipe, root / f"{name}.safetensors")
        return root / name

    return of


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """Return what writes a full-size folder of holes, once."""
    root = tmp_path_factory.mktemp("full")

    def of(name):
        if not (root / name).exists():
            full_size.write_sparse(getattr(full_size, name)(), root / name)
        return root / name

    return of


def sampled(model):
    """Return the states and the finished pictures of two samples, guided."""
    tiny = model.info.family == "sd1"
    start = noise(2) if tiny else torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    trace = sample_batch(
        model, noise=start, scales=[5.0, 5.0], seeds=[1, 2], prompt="a cat", steps=2,
        sampler="ddim" if tiny else "flow_euler",
    )  # fmt: skip
    return trace, decoder(model, "vae").decode(trace.x_t[:, -1])


def held(model):
    """Return the bytes of the weights of each part as they are in memory."""
    parts = {name: part for name, part in model.pipe.components.items() if isinstance(part, torch.nn.Module)}
    kept = {name: part.state_dict(keep_vars=True).values() for name, part in parts.items()}
    return {name: sum(map(_bytes, {id(one): one for one in values}.values())) for name, values in kept.items()}


def _bytes(value):
    inner = [getattr(value, name, None) for name in ("qdata", "scale")]
    return sum(one.nbytes for one in inner if one is not None) if inner[0] is not None else value.nbytes


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("name", ["sd1", "flux", "z-image", "sd3"])
def test_weights_are_as_many_bytes_as_the_headers_say(made, name, dtype):
    found = estimate(made(name), dtype, Work((64, 64)))
    assert {part.name: part.bytes for part in found.parts} == pytest.approx(
        held(load_model(str(made(name)), "cpu", dtype)), rel=TOLERANCE
    )


@pytest.mark.parametrize(
    ("name", "billions", "card"),
    [("flux", {"transformer": 11.9, "text_encoder_2": 4.76}, 12), ("z_image", {"transformer": 6.15}, 8)],
)
def test_a_large_model_can_run_on_a_small_card(full, name, billions, card):
    found = estimate(full(name), "bfloat16", Work((1024, 1024)))
    counts = {part.name: part.parameters / GB for part in found.parts}
    assert {part: counts[part] for part in billions} == pytest.approx(billions, rel=0.01)
    assert found.needs("full") > 20 * GB
    assert found.choose(card * GB) == "group-offload"
    assert found.choose(80 * GB) == "full"
    needs = [found.needs(choice) for choice in CHOICES]
    assert needs == sorted(needs, reverse=True)


@pytest.mark.parametrize(("quantize", "share"), [("fp8-layerwise", 0.64), ("int8", 0.5), ("nf4", 0.28)])
def test_quantised_weights_are_smaller(full, quantize, share):
    work = Work((1024, 1024))
    before = estimate(full("flux"), "bfloat16", work)
    found = estimate(full("flux"), "bfloat16", work, Saving(quantize=quantize))
    was, parts = ({part.name: part.bytes for part in one.parts} for one in (before, found))
    assert parts["transformer"] / was["transformer"] == pytest.approx(share, abs=0.02)
    assert parts["text_encoder"] == was["text_encoder"]
    assert (parts["text_encoder_2"] < was["text_encoder_2"]) == (quantize != "fp8-layerwise")


def test_a_decode_in_tiles_takes_less(full):
    work = Work((2048, 2048))
    whole, tiles = (estimate(full("z_image"), "float16", work, Saving(tiling=tiling)) for tiling in (False, True))
    assert tiles.decoding == whole.decoding / 4


ROWS = [
    ("FLUX.1, T5-XXL", "flux", "none"), ("the same, `int8`", "flux", "int8"), ("the same, `nf4`", "flux", "nf4"),
    ("Z-Image, Qwen 3 4B", "z_image", "none"), ("the same, `int8`", "z_image", "int8"),
]  # fmt: skip


def test_the_table_in_the_docs(full):
    rows = []
    for title, name, quantize in ROWS:
        found = estimate(full(name), "bfloat16", Work((1024, 1024)), Saving(quantize=quantize))
        sizes = [found.weights, *(found.needs(choice) for choice in CHOICES)]
        rows.append(f"| {' | '.join([title, *map(memory.size, sizes)])} |")
    assert "| --- |\n" + "\n".join(rows) + "\n\n" in DOCS.read_text(), "\n".join(rows)


def by_hand(**parts):
    found = tuple(Part(name, count, 2 * count, count // 10) for name, count in parts.items())
    return Estimate("float16", found, states=0, denoising=0, decoding=0)


@pytest.mark.parametrize(
    ("free", "choice"), [(100, "full"), (34, "model-offload"), (9, "group-offload"), (4, "sequential"), (0.1, None)]
)
def test_the_first_that_fits_is_chosen(free, choice):
    found = by_hand(text_encoder=5 * GB, transformer=15 * GB, vae=GB // 2)
    assert found.choose(int(free * GB)) == choice


class Card:
    """Stands for a card: only its kind is asked."""

    type = "cuda"


def test_auto_tells_what_it_took_on_a_card(monkeypatch):
    found, said = by_hand(text_encoder=5 * GB, transformer=15 * GB, vae=GB // 2), []
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Room", (), {"available": 100 * GB}))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (12 * GB, 12 * GB))
    assert placing.choose("m", found, Saving(), Card(), said.append) == "group-offload"
    assert said == ["memory: group-offload, with 12 GB of the card free; m would need 41 GB in full"]
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (GB // 10, GB))
    with pytest.raises(ModelError, match="even layer by layer, and 100 MB are free"):
        placing.choose("m", found, Saving(), Card(), said.append)


def test_a_text_encoder_too_large_for_memory_is_told_before_loading(made, monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Room", (), {"available": 10_000}))
    monkeypatch.setattr(loading, "load_pipeline", lambda *_: pytest.fail("it was loaded"))
    with pytest.raises(ModelError, match=r"of memory in float32 \(its \w+ alone [\d.]+ MB\), and 0\.1 MB are free"):
        load_model(str(made("sd1")), "cpu")
    found = by_hand(text_encoder=5 * GB, transformer=2 * GB)
    for device in (Card(), torch.device("cpu")):
        with pytest.raises(ModelError, match=r"its text_encoder alone 10 GB"):
            placing.choose("m", found, Saving(), device, print)
    assert placing.choose("m", found, Saving(memory="full"), Card(), print) == "full"


def test_nothing_is_said_of_full_on_the_cpu(made):
    said = []
    assert load_model(str(made("sd1")), "cpu", told=said.append).memory == "full"
    assert said == []
    assert load_model(str(made("sd1")), "cpu", saving=Saving(memory="sequential"), told=said.append).memory == "full"
    assert said == ["memory: sequential saves nothing on the CPU, so all is loaded in full"]


@pytest.mark.parametrize("choice", ["model-offload", "group-offload"])
@pytest.mark.parametrize("name", ["sd1", "flux", "z-image"])
def test_offloaded_models_paint_the_same_bit_for_bit(made, name, choice):
    whole, pipe = load_model(str(made(name)), "cpu"), load_model(str(made(name)), "cpu").pipe
    placed = placing.place(pipe, whole.device, whole.dtype, choice, Saving())
    model = Model(placed, whole.info, whole.device, whole.dtype, choice)
    (trace, pictures), (first, drawn), (again, _) = sampled(whole), sampled(model), sampled(model)
    for name in trace.arrays:
        assert np.array_equal(trace[name], first[name]), name
        assert np.array_equal(trace[name], again[name]), name
    assert np.array_equal(pictures, drawn)
    assert first.record["environment"]["memory"] == choice
    assert "memory" not in trace.record["environment"]


@pytest.mark.parametrize("name", ["sd1", "flux", "z-image"])
def test_layer_by_layer_all_weights_wait_and_every_part_knows_where_it_computes(made, name):
    """accelerate cannot paint so where the weights wait on the device that computes; that wants a card."""
    model = load_model(str(made(name)), "cpu")
    placed = placing.place(model.pipe, model.device, model.dtype, "sequential", Saving())
    for part in (denoiser_of(placed), placed.vae, placed.text_encoder):
        assert all(value.is_meta for value in part.parameters())
        assert placing.computes_on(part).type == "cpu"


def test_nf4_is_asked_of_diffusers_own_quantiser(monkeypatch):
    """It quantises denoisers and large text encoders, and computes in the run's dtype. To ask, no package is needed."""
    known = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.50.2" if name == "bitsandbytes" else known(name))
    parts = {"transformer": 12, "text_encoder": 5, "text_encoder_2": 2 * memory.LARGE, "vae": 3}
    found = placing.quantisation("nf4", parts, torch.bfloat16).quant_mapping
    assert {name: type(how).__module__.partition(".")[0] for name, how in found.items()} == {
        "transformer": "diffusers", "text_encoder_2": "transformers",
    }  # fmt: skip
    for how in found.values():
        assert (how.load_in_4bit, how.bnb_4bit_quant_type, how.bnb_4bit_compute_dtype) == (True, "nf4", torch.bfloat16)


@pytest.mark.parametrize(("quantize", "off"), [("fp8-layerwise", 0.05), ("int8", 0.01)])
@pytest.mark.parametrize("name", ["sd1", "flux"])
def test_quantised_models_are_this_far_off(made, name, quantize, off):
    if quantize == "int8":
        pytest.importorskip("torchao")
    whole = load_model(str(made(name)), "cpu")
    model = load_model(str(made(name)), "cpu", saving=Saving(quantize=quantize))
    (trace, _), (found, _) = sampled(whole), sampled(model)
    largest = np.abs(trace.x_t).max()
    assert 0 < np.abs(found.x_t - trace.x_t).max() / largest < off
    assert found.record["environment"]["quantize"] == quantize
    said = estimate(made(name), "float32", Work((64, 64)), Saving(quantize=quantize))
    assert {part.name: part.bytes for part in said.parts} == pytest.approx(held(model), rel=0.06)


def test_tiles_and_slices_of_the_autoencoder(made):
    model = load_model(str(made("sd1")), "cpu", saving=Saving(tiling=True, slicing=True))
    assert model.pipe.vae.use_tiling
    assert model.pipe.vae.use_slicing
    whole = load_model(str(made("sd1")), "cpu")
    assert np.abs(sampled(model)[1].astype(int) - sampled(whole)[1]).max() <= 1


@pytest.fixture(scope="module")
def gguf_file(made, tmp_path_factory):
    """A tiny FLUX.1 as a .gguf file of 8 bits, its other parts in a folder beside it."""
    import gguf
    from safetensors.torch import load_file

    root = tmp_path_factory.mktemp("gguf")
    shutil.copytree(made("flux"), root / "tiny")
    held = root / "tiny" / "transformer" / "diffusion_pytorch_model.safetensors"
    writer = gguf.GGUFWriter(str(root / "tiny.gguf"), "flux")
    for name, value in load_file(held).items():
        array, kind = value.numpy(), gguf.GGMLQuantizationType.Q8_0
        if array.ndim == 2 and array.shape[1] % 32 == 0:
            writer.add_tensor(name, gguf.quants.quantize(array, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    held.unlink()
    return root / "tiny.gguf"


def test_a_gguf_file_paints_nearly_as_its_model(made, gguf_file):
    whole, model = load_model(str(made("flux")), "cpu"), load_model(str(gguf_file), "cpu")
    (trace, _), (found, _) = sampled(whole), sampled(model)
    assert (model.quantize, found.record["environment"]["quantize"]) == ("gguf", "gguf")
    assert 0 < np.abs(found.x_t - trace.x_t).max() / np.abs(trace.x_t).max() < 0.01
    parts = {part.name: part.bytes for part in estimate(gguf_file, "float32", Work((64, 64))).parts}
    assert parts["transformer"] == gguf_file.stat().st_size
    assert {"text_encoder", "text_encoder_2", "vae"} < parts.keys()
    add_loras(model, [(str(made("flux")) + ".safetensors", 1.0)])
    assert not np.array_equal(sampled(model)[0].x_t, found.x_t)


def test_gguf_files_that_are_none(gguf_file, tmp_path):
    for content, sentence in ((b"", "not a GGUF file"), (b"GGUF" + b"\xff" * 40, "not a GGUF file")):
        (tmp_path / "m.gguf").write_bytes(content)
        with pytest.raises(ModelError, match=sentence):
            load_model(str(tmp_path / "m.gguf"), "cpu")
    shutil.copy(gguf_file, tmp_path / "m.gguf")
    with pytest.raises(ModelError, match=r"holds a denoiser alone, and .*/m/ .* is not there"):
        load_model(str(tmp_path / "m.gguf"), "cpu")


@pytest.mark.parametrize(
    ("quantize", "missing", "sentence"),
    [
        ("gguf", "", "quantize: gguf is for a .gguf file"),
        ("nf4", "", "quantize: nf4 needs a GPU, and this run is on cpu"),
        ("nf4", "bitsandbytes", "quantize: nf4 needs the package bitsandbytes"),
        ("int8", "torchao", "quantize: int8 needs the package torchao"),
    ],
)
def test_what_cannot_be_quantised_is_told(made, monkeypatch, quantize, missing, sentence):
    monkeypatch.setattr(placing, "find_spec", lambda name: None if name == missing else name)
    with pytest.raises((UsageError, ModelError), match=re.escape(sentence)):
        load_model(str(made("sd1")), "cpu", saving=Saving(quantize=quantize))


def test_what_is_quantised_already_is_not_again(gguf_file):
    with pytest.raises(UsageError, match="is quantised already"):
        load_model(str(gguf_file), "cpu", saving=Saving(quantize="fp8-layerwise"))


def test_loras_onto_8_bit_floats_are_refused(made):
    model = load_model(str(made("flux")), "cpu", saving=Saving(quantize="fp8-layerwise"))
    with pytest.raises(UsageError, match="8-bit floats"):
        add_loras(model, [(str(made("flux")) + ".safetensors", 1.0)])


@pytest.mark.parametrize("lab", ["sample", "cfg-sweep", "walk", "fork", "lora-rank", "noise"])
def test_every_lab_has_the_keys_and_leaves_them_out_where_they_are_as_usual(lab):
    (usual,) = load_configs(CONFIGS[lab], [], [])
    assert not {"memory", "quantize", "vae"} & json.loads(usual.model_dump_json()).keys()
    pairs = ["memory=group-offload", "quantize=int8", "vae.tiling=true"]
    (config,) = load_configs(CONFIGS[lab], [], [settings(CONFIGS[lab], pairs)])
    assert Saving.of(config) == Saving("group-offload", "int8", tiling=True)
    assert json.loads(config.model_dump_json())["vae"] == {"tiling": True, "slicing": False}


def test_sizes_in_words():
    assert [memory.size(count) for count in (0, 25_100_000, 999_900_000, 4_260_000_000, 23_800_000_000)] == [
        "0.1 MB", "25.1 MB", "1 GB", "4.26 GB", "23.8 GB"
    ]  # fmt: skip
