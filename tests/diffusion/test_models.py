"""References to models: what loads, and the one sentence for what does not."""

import json
import shutil
import socket
import struct

import pytest
import torch

from denoisecli.diffusion import prompts, references, weights
from denoisecli.diffusion.models import identity, list_models, load_model
from denoisecli.errors import ModelError, UsageError
from tests.original_layout import write_original
from tests.tiny import noise, tiny_text_sd

pocket = pytest.mark.skipif(not (references.POCKET / "model_index.json").exists(), reason="no pocket weights here")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A diffusers folder `tiny`, and the same weights as `tiny.safetensors` beside it."""
    root = tmp_path_factory.mktemp("models")
    pipe = tiny_text_sd()
    pipe.save_pretrained(root / "tiny")
    write_original(pipe, root / "tiny.safetensors")
    return root


@pytest.fixture(autouse=True)
def no_network(monkeypatch, tmp_path):
    def refuse(*_args, **_kwargs):
        raise AssertionError("somebody asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("HF_HOME", raising=False)
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)


def sampled(model):
    call = {"num_inference_steps": 2, "latents": noise(1), "output_type": "latent"}
    return model.pipe("a cat on a mat", **call).images


def test_folder_and_single_file_are_the_same_model(folder):
    whole, single = load_model(str(folder / "tiny")), load_model(str(folder / "tiny.safetensors"))
    assert torch.equal(sampled(whole), sampled(single))
    assert whole.info.latent_shape == single.info.latent_shape == (4, 8, 8)
    assert (whole.info.family, whole.info.prediction_type, whole.info.scale_factor) == ("sd1", "epsilon", 2)
    assert whole.info.native_size == (16, 16)
    assert single.info.sha256 == weights.file_hash(folder / "tiny.safetensors")


def marked(part, mark):
    """Rename a part's weights as a variant."""
    for file in part.glob("*.safetensors"):
        file.rename(file.with_name(f"{file.stem}.{mark}.safetensors"))


@pytest.mark.parametrize(
    "names",
    [
        {"unet": "fp16", "vae": "fp16", "text_encoder": "fp16"},
        {"text_encoder": "fp16"},
        {"vae": "bf16"},
        {"unet": "ema", "vae": "fp16"},
    ],
    ids=["all alike", "one part", "another mark", "two marks"],
)
def test_weights_under_a_mark(folder, tmp_path, names):
    """diffusers' variants: of parts that have marked weights alone these are taken, of others the plain ones."""
    shutil.copytree(folder / "tiny", tmp_path / "tiny")
    for part, mark in names.items():
        marked(tmp_path / "tiny" / part, mark)
    assert torch.equal(sampled(load_model(str(tmp_path / "tiny"))), sampled(load_model(str(folder / "tiny"))))


def test_of_plain_and_marked_weights_the_plain_ones(folder, tmp_path):
    shutil.copytree(folder / "tiny", tmp_path / "tiny")
    plain = tmp_path / "tiny" / "text_encoder" / "model.safetensors"
    load, save = pytest.importorskip("safetensors.torch").load_file, pytest.importorskip("safetensors.torch").save_file
    save({name: value * 0 for name, value in load(plain).items()}, plain.with_name("model.fp16.safetensors"))
    marked(tmp_path / "tiny" / "unet", "fp16")
    assert torch.equal(sampled(load_model(str(tmp_path / "tiny"))), sampled(load_model(str(folder / "tiny"))))


@pytest.mark.parametrize("name", ["._diffusion_pytorch_model.safetensors", ".DS_Store", "._config.json", ".cache/x.py"])
def test_hidden_files_do_not_count(folder, tmp_path, name):
    """macOS writes one beside every file it copies to other systems."""
    shutil.copytree(folder / "tiny", tmp_path / "tiny")
    before = identity(str(tmp_path / "tiny"))
    for part in ("unet", "vae", "text_encoder"):
        hidden = tmp_path / "tiny" / part / name
        hidden.parent.mkdir(exist_ok=True)
        hidden.write_bytes(b"\0\5\x16\7Mac OS X")
    assert identity(str(tmp_path / "tiny")) == before
    assert load_model(str(tmp_path / "tiny")).info.family == "sd1"


@pytest.mark.parametrize("part", ["safety_checker", "feature_extractor", "image_encoder"])
@pytest.mark.parametrize("state", ["gone", "pickled", "cut short"])
def test_parts_that_no_lab_uses_do_no_harm(folder, tmp_path, part, state):
    shutil.copytree(folder / "tiny", tmp_path / "tiny")
    index = json.loads((tmp_path / "tiny" / "model_index.json").read_text())
    index[part] = ["stable_diffusion", "StableDiffusionSafetyChecker"]
    (tmp_path / "tiny" / "model_index.json").write_text(json.dumps(index))
    if state != "gone":
        (tmp_path / "tiny" / part).mkdir()
        file = "pytorch_model.bin" if state == "pickled" else "model.safetensors"
        (tmp_path / "tiny" / part / file).write_bytes(b"PK\3\4" * 9)
    assert torch.equal(sampled(load_model(str(tmp_path / "tiny"))), sampled(load_model(str(folder / "tiny"))))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_dtype(folder, dtype):
    model = load_model(str(folder / "tiny"), dtype=dtype)
    assert str(model.pipe.unet.dtype) == str(model.dtype) == f"torch.{dtype}"


def test_loading_is_silent(folder, capfd, recwarn):
    load_model(str(folder / "tiny"))
    load_model(str(folder / "tiny.safetensors"))
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")


@pytest.mark.parametrize(
    ("device", "dtype", "message"),
    [
        pytest.param("cuda:7", "auto", "not available here", id="no such card"),
        pytest.param("gpu", "auto", "no device 'gpu'", id="no such word"),
        pytest.param("meta", "auto", "not available here", id="not a place to run"),
        pytest.param("cpu", "int8", "no dtype 'int8'", id="no such dtype"),
    ],
)
def test_device_and_dtype_that_cannot_be_had(folder, device, dtype, message):
    with pytest.raises(UsageError, match=message):
        load_model(str(folder / "tiny"), device, dtype)


def edited(config, **values):
    """Change entries of a JSON file."""
    config.write_text(json.dumps(json.loads(config.read_text()) | values))


def test_what_else_lies_in_a_folder_does_not_count(folder, tmp_path):
    """Clones of a hub repository hold pointers to checkpoints that were not fetched, scripts and pictures."""
    shutil.copytree(folder / "tiny", tmp_path / "tiny")
    before = identity(str(tmp_path / "tiny"))
    (tmp_path / "tiny" / "v1-5.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:1\n")
    (tmp_path / "tiny" / "convert.py").write_text("raise SystemExit")
    assert load_model(str(tmp_path / "tiny")).info.sha256 == before


def test_a_denoiser_that_does_not_say_its_size(folder, tmp_path):
    shutil.copytree(folder / "tiny", tmp_path / "tiny")
    edited(tmp_path / "tiny" / "unet" / "config.json", sample_size=None)
    assert load_model(str(tmp_path / "tiny")).info.latent_shape == (4, 64, 64)


@pytest.mark.parametrize("shards", ["100MB", "20KB"])
def test_weights_in_half_precision_alone(tmp_path, shards):
    tiny_text_sd().save_pretrained(tmp_path / "half", variant="fp16", max_shard_size=shards)
    assert sampled(load_model(str(tmp_path / "half"))).isfinite().all()
    assert (shards == "20KB") == bool(list((tmp_path / "half" / "unet").glob("*-of-*")))


def test_a_file_and_its_own_configs_are_one_model(folder, tmp_path):
    shutil.copytree(folder / "tiny", tmp_path / "m")
    shutil.copy(folder / "tiny.safetensors", tmp_path / "m.safetensors")
    before = identity(str(tmp_path / "m.safetensors"))
    edited(tmp_path / "m" / "scheduler" / "scheduler_config.json", prediction_type="v_prediction")
    assert identity(str(tmp_path / "m.safetensors")) != before
    assert load_model(str(tmp_path / "m.safetensors")).info.prediction_type == "v_prediction"


def test_a_file_without_some_of_its_weights(folder, tmp_path):
    from safetensors.torch import load_file, save_file

    shutil.copytree(folder / "tiny", tmp_path / "m")
    tensors = load_file(folder / "tiny.safetensors")
    del tensors["model.diffusion_model.out.2.weight"]
    save_file(tensors, tmp_path / "m.safetensors")
    with pytest.raises(ModelError, match=r"such as unet\.conv_out\.weight|cannot be loaded"):
        load_model(str(tmp_path / "m.safetensors"))


HEADER = json.dumps({"w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}).encode()
WHOLE = struct.pack("<Q", len(HEADER)) + HEADER + bytes(16)
BAD_WEIGHTS = [
    pytest.param(b"", "is empty", id="empty"),
    pytest.param(b"1234567", r"too short .*7 bytes", id="seven bytes"),
    pytest.param(b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n", "LFS pointer", id="lfs"),
    pytest.param(b"<!DOCTYPE html>\n<html><body>Not found</body></html>", "web page", id="html"),
    pytest.param(b"\x80\x02}q\x00X\x05\x00\x00\x00modelq\x01." * 4, "pickle renamed", id="pickle"),
    pytest.param(b"PK\x03\x04" + bytes(60), "pickle renamed", id="zipped pickle"),
    pytest.param(WHOLE[:-1], "cut short", id="truncated"),
    pytest.param(WHOLE[:20], "only the start", id="truncated in the header"),
    pytest.param(WHOLE + b"x", "bytes after its end", id="trailing bytes"),
    pytest.param(struct.pack("<Q", 2**62) + bytes(64), "not a safetensors file", id="header of 2^62 bytes"),
    pytest.param(struct.pack("<Q", 8) + b"[1,2,34]", "not a JSON table", id="header is a list"),
    pytest.param(struct.pack("<Q", 8) + b"garbage!", "not a JSON table", id="header is garbage"),
    pytest.param(struct.pack("<Q", 9) + b'{"w":[1]}', "not a JSON table", id="header entry is a list"),
    pytest.param(struct.pack("<Q", 99_000) + b"[" * 99_000, "not a JSON table", id="deep nesting"),
]


@pytest.mark.parametrize(("content", "message"), BAD_WEIGHTS)
def test_a_file_that_is_no_weights_file(tmp_path, content, message):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=message) as caught:
        load_model(str(path))
    assert str(path) in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(("content", "message"), BAD_WEIGHTS[-4:-2])
def test_a_folder_with_such_a_file(folder, tmp_path, content, message):
    shutil.copytree(folder / "tiny", tmp_path / "tiny")
    (tmp_path / "tiny" / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match=message):
        load_model(str(tmp_path / "tiny"))


def tensors(*names):
    return {name: torch.zeros(1) for name in names}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        pytest.param(["lora_unet_x.lora_down.weight"], "a LoRA, not a model", id="lora"),
        pytest.param(["conditioner.embedders.0.model.ln_final.x"], "an SDXL refiner", id="sdxl refiner"),
        pytest.param(["cond_stage_model.model.transformer.x"], "a Stable Diffusion 2", id="sd2"),
        pytest.param(["double_blocks.0.img_attn"], "a Flux checkpoint", id="flux"),
        pytest.param(["x"], "not a Stable Diffusion 1.x checkpoint", id="anything"),
        pytest.param(["model.diffusion_model.x"], "cannot be loaded", id="only a name"),
    ],
)
def test_a_single_file_of_another_kind(tmp_path, names, message):
    from safetensors.torch import save_file

    save_file(tensors(*names), tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match=message):
        load_model(str(tmp_path / "model.safetensors"))


@pytest.mark.parametrize("suffix", [".ckpt", ".bin", ".pt", ".pth", ".CKPT"])
@pytest.mark.parametrize("exists", [True, False])
def test_pickles_are_refused_with_the_way_to_convert_them(tmp_path, suffix, exists):
    path = tmp_path / f"model{suffix}"
    if exists:
        path.write_bytes(b"\x80\x02.")
    with pytest.raises(ModelError, match="pickled checkpoint") as caught:
        load_model(str(path))
    assert "weights_only=True" in caught.value.hint


def test_the_way_to_convert_works(tmp_path):
    import re
    import subprocess
    import sys

    path = tmp_path / "model.ckpt"
    torch.save({"state_dict": {"a": torch.ones(2), "b": torch.ones(2)}, "epoch": 3}, path)
    with pytest.raises(ModelError) as caught:
        weights.refuse_pickle(path)
    code = re.search(r'python -c "(.*)"', caught.value.hint)[1]
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    assert set(weights.read_header(tmp_path / "model.safetensors")) == {"a", "b"}


@pytest.mark.parametrize(
    "ref", ["nowhere", "./no/such/folder", "/no/such/model.safetensors", "~/no-such-model", "a/b/c", "..", ""]
)
def test_paths_that_are_no_model(ref):
    with pytest.raises(ModelError, match=r"no model at|not a diffusers folder"):
        load_model(ref)


def test_a_hub_id_while_offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match="somebody/a-model is not on this machine, and HF_HUB_OFFLINE"):
        load_model("somebody/a-model")


def cached(tmp_path, folder):
    snapshot = tmp_path / "cache" / "huggingface" / "hub" / "models--me--tiny" / "snapshots" / "abc"
    shutil.copytree(folder / "tiny", snapshot)
    return snapshot


@pytest.mark.parametrize(
    ("spoil", "lacks"),
    [
        (lambda snapshot: shutil.rmtree(snapshot / "vae"), "its vae folder is missing"),
        (lambda snapshot: (snapshot / "text_encoder" / "model.safetensors").unlink(), "weights of its text_encoder"),
        (
            lambda snapshot: (snapshot / "unet" / "diffusion_pytorch_model.safetensors.index.json").write_text(
                '{"weight_map": {"conv_in.weight": "diffusion_pytorch_model-00002-of-00002.safetensors"}}'
            ),
            "diffusion_pytorch_model-00002-of-00002.safetensors' is not there",
        ),
    ],
    ids=["a folder", "weights", "a shard"],
)
def test_half_a_download_is_asked_for_again(folder, tmp_path, monkeypatch, spoil, lacks):
    snapshot = cached(tmp_path, folder)
    spoil(snapshot)
    assert [row.ref for row in list_models()] == ["pocket"]
    monkeypatch.setattr("denoisecli.diffusion.loading.download", lambda ref: folder / "tiny")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    assert references.locate("me/tiny") == folder / "tiny"
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match=lacks):
        load_model("me/tiny")


def test_a_whole_download_is_not_asked_for_again(folder, tmp_path):
    snapshot = cached(tmp_path, folder)
    assert references.locate("me/tiny") == snapshot


def test_a_hub_id_in_the_cache_is_found_and_listed(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    snapshot = tmp_path / "cache" / "huggingface" / "hub" / "models--me--tiny" / "snapshots" / "abc"
    snapshot.parent.mkdir(parents=True)
    snapshot.symlink_to(folder / "tiny")
    assert load_model("me/tiny").info.sha256 == identity(str(folder / "tiny"))
    (row,) = [row for row in list_models() if row.ref == "me/tiny"]
    assert row.family == "sd1"
    assert row.bytes > 10_000


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(lambda f: (f / "model_index.json").unlink(), "no model_index.json", id="no index"),
        pytest.param(lambda f: (f / "model_index.json").write_text("[1]"), "not a JSON table", id="index is a list"),
        pytest.param(lambda f: (f / "unet").rename(f / "x"), "unet folder is missing", id="no unet"),
        pytest.param(
            lambda f: (f / "unet" / "diffusion_pytorch_model.safetensors").rename(f / "unet" / "model.bin"),
            "pickled checkpoint",
            id="only a pickle",
        ),
        pytest.param(
            lambda f: (f / "unet" / "diffusion_pytorch_model.safetensors").unlink(), "no .safetensors", id="no weights"
        ),
        pytest.param(lambda f: (f / "unet" / "config.json").write_text("{"), "not a JSON table", id="broken config"),
        pytest.param(
            lambda f: edited(f / "model_index.json", _class_name="ShapEPipeline"), "is a ShapEPipeline", id="no painter"
        ),
        pytest.param(
            lambda f: edited(f / "scheduler" / "scheduler_config.json", _class_name="EDMEulerScheduler"),
            "noise levels of EDM",
            id="edm",
        ),
        pytest.param(lambda f: (f / "unet" / "code.py").write_text("1"), "code of its own", id="code in a part"),
    ],
)
def test_a_folder_that_is_not_whole(folder, tmp_path, spoil, message):
    shutil.copytree(folder / "tiny", tmp_path / "tiny")
    spoil(tmp_path / "tiny")
    with pytest.raises(ModelError, match=message) as caught:
        load_model(str(tmp_path / "tiny"))
    assert len(caught.value.message) < 500


def test_code_in_a_model_is_not_run(folder, tmp_path):
    shutil.copytree(folder / "tiny", tmp_path / "tiny")
    index = tmp_path / "tiny" / "model_index.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | {"_class_name": ["pipeline", "Mine"]}))
    (tmp_path / "tiny" / "pipeline.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Mine: pass\n")
    with pytest.raises(ModelError, match="code of its own"):
        load_model(str(tmp_path / "tiny"))
    assert not (tmp_path / "ran").exists()


def test_hashes_are_remembered(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "SETTLED_NS", -1)
    path = tmp_path / "a.safetensors"
    path.write_bytes(WHOLE)
    first = identity(str(path))
    monkeypatch.setattr(weights, "file_sha256", lambda _: pytest.fail("hashed again"))
    assert identity(str(path)) == first
    monkeypatch.undo()
    path.write_bytes(WHOLE.replace(b"F32", b"I32"))
    assert identity(str(path)) != first


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    path = tmp_path / "a.safetensors"
    path.write_bytes(WHOLE)
    assert identity(str(path)) == identity(str(path))


def test_sd1_tokenizer_is_clips():
    """Ids that CLIP's own tokenizer gives; its vocabulary is spelled out here from the merges alone."""
    from denoisecli.diffusion.loading import clip_tokenizer

    tokenizer = clip_tokenizer()
    assert len(tokenizer) == 49408
    assert tokenizer.model_max_length == 77
    assert tokenizer("a photo of a cat").input_ids == [49406, 320, 1125, 539, 320, 2368, 49407]


@pocket
def test_pocket_loads_and_samples_without_the_network(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    model = load_model("pocket", "cpu")
    assert model.info.family == "pocket"
    assert model.info.sha256 == identity("pocket")
    call = {"num_inference_steps": 1, "output_type": "latent", "guidance_scale": 1.0}
    assert torch.isfinite(model.pipe("a lighthouse", **call).images).all()


@pocket
def test_damaged_pocket_weights_are_said(tmp_path, monkeypatch):
    shutil.copytree(references.POCKET, tmp_path / "pocket")
    monkeypatch.setattr(references, "POCKET", tmp_path / "pocket")
    file = tmp_path / "pocket" / "unet" / "diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ModelError, match="embedded pocket model is damaged") as caught:
        load_model("pocket")
    assert "Install denoisecli again" in caught.value.hint


def test_what_a_prompt_loses(folder):
    pipe = load_model(str(folder / "tiny")).pipe
    assert prompts.truncated(pipe, "a cat") == ""
    lost = prompts.truncated(pipe, "cat " * 5000)
    assert 14_000 < len(lost.replace(" ", "")) < 15_000
    pocket = load_model("pocket").pipe  # of 30 words, and bytes for what is no word
    cuts = [prompts.truncated(pocket, "a " * words + "灯台 at dusk") for words in range(20, 31)]
    assert any(not cut.startswith("灯") and cut for cut in cuts)
    assert not any("\ufffd" in cut for cut in cuts)
    assert prompts.truncated(pocket, "a " * 26 + "it's a quoted lighthouse") in (
        "quoted lighthouse",
        "a quoted lighthouse",
    )
