"""Checkpoints of one file: told by their tensors' names, opened with our configs, found in folders of other tools."""

import json

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from typer.testing import CliRunner

from denoisecli.cli import whole_app
from denoisecli.diffusion import loading, model_folders, models, references, single_file
from denoisecli.errors import ModelError, UsageError
from tests.original_layout import write_original, write_original_xl
from tests.tiny import letter_tokenizer, tiny_text_sd, tiny_text_sdxl

PARAMETERS = {"unet": 2_567_463_684, "text_encoder": 123_060_480, "text_encoder_2": 694_659_840, "vae": 83_653_863}
"""Of stable-diffusion-xl-base-1.0, by its model card's files."""


@pytest.mark.parametrize("part", PARAMETERS)
def test_the_bundled_configs_are_those_of_xl(part):
    import diffusers
    import transformers

    folder = single_file.LAYOUT_SDXL / part
    config = json.loads((folder / "config.json").read_text())
    with torch.device("meta"):
        if part.startswith("text"):
            kind = getattr(transformers, config["architectures"][0])
            built = kind(transformers.CLIPTextConfig.from_pretrained(folder))
        else:
            built = getattr(diffusers, config["_class_name"]).from_config(config)
    assert sum(value.numel() for value in built.parameters()) == PARAMETERS[part]


@pytest.fixture(scope="module")
def tiny_xl(tmp_path_factory):
    """A tiny XL pipeline, its configs as a layout, and its weights as one file of the original names."""
    root = tmp_path_factory.mktemp("xl")
    pipe = tiny_text_sdxl()
    for name, width in (("text_encoder", 24), ("text_encoder_2", 40)):  # diffusers tells the two by their widths
        torch.manual_seed(width)
        part = getattr(pipe, name)
        config = type(part.config)(**{**part.config.to_dict(), "hidden_size": width})
        pipe.register_modules(**{name: type(part)(config).eval()})
    pipe.save_pretrained(root / "layout")
    return pipe, root / "layout", write_original_xl(pipe, root / "tiny.safetensors")


@pytest.fixture
def opens(tiny_xl, monkeypatch):
    """Let the tiny configs stand in the place of the true ones."""
    pipe, layout, path = tiny_xl
    for module in (single_file, loading):
        monkeypatch.setattr(module, "LAYOUT_SDXL", layout)
    monkeypatch.setitem(single_file.OPENS, "sdxl", layout)
    monkeypatch.setattr(loading, "clip_tokenizer", lambda **_: letter_tokenizer(16))
    return pipe, path


def test_an_xl_checkpoint_opens(opens):
    pipe, path = opens
    loaded = models.load_model(str(path), "cpu")
    assert loaded.info.family == "sdxl"
    for part in ("unet", "vae", "text_encoder", "text_encoder_2"):
        mine, theirs = getattr(loaded.pipe, part).state_dict(), getattr(pipe, part).state_dict()
        assert {name for name in theirs if "position_ids" not in name} <= mine.keys()
        for name, value in theirs.items():
            if name in mine:
                torch.testing.assert_close(mine[name], value, msg=f"{part}.{name}")


def test_the_marks_of_a_v_model_are_heard(opens, tmp_path):
    from safetensors.torch import load_file
    from safetensors.torch import save_file as save

    _, path = opens
    marked = tmp_path / "v.safetensors"
    save(load_file(path) | {"v_pred": torch.zeros(0), "ztsnr": torch.zeros(0)}, marked)
    config = models.load_model(str(marked), "cpu").pipe.scheduler.config
    assert (config.prediction_type, config.rescale_betas_zero_snr) == ("v_prediction", True)


def test_what_size_it_paints(tmp_path):
    from denoisecli.labs.loading import native_size

    path = tmp_path / "xl.safetensors"
    save_file({"model.diffusion_model.out.0.weight": np.zeros(1), "conditioner.embedders.1.x": np.zeros(1)}, path)
    assert native_size(path) == (1024, 1024)


NAMES = {
    "lora": ["lora_unet_down_blocks_0.lora_down.weight"],
    "sd1": ["cond_stage_model.transformer.text_model.x", "model.diffusion_model.out.0.weight"],
    "sd2": ["cond_stage_model.model.transformer.x", "model.diffusion_model.out.0.weight"],
    "sdxl": [
        "conditioner.embedders.0.transformer.x",
        "conditioner.embedders.1.model.x",
        "model.diffusion_model.out.0.w",
    ],
    "sdxl refiner": ["conditioner.embedders.0.model.ln_final.weight", "model.diffusion_model.out.0.weight"],
    "sd3": ["model.diffusion_model.joint_blocks.0.x"],
    "flux": ["double_blocks.0.img_attn.x"],
    "vae": ["decoder.conv_in.weight"],
    "text encoder": ["text_model.encoder.layers.0.x"],
    "controlnet": ["control_model.input_blocks.0.x"],
    "upscaler": ["body.0.rdb1.conv1.weight"],
    "unknown": ["something.else"],
}


@pytest.mark.parametrize("kind", NAMES)
def test_kinds(kind):
    assert (single_file.kind_of(NAMES[kind]) or "unknown") == kind


@pytest.mark.parametrize(("shape", "says"), [((), "no channels"), ((8,), "no channels"), ((4, 9, 3, 3), "9 channels")])
def test_a_first_layer_of_another_shape(tmp_path, shape, says):
    path = tmp_path / "x.safetensors"
    first = np.zeros(shape, np.float32)
    save_file({"cond_stage_model.transformer.x": first, "model.diffusion_model.input_blocks.0.0.weight": first}, path)
    with pytest.raises(ModelError, match=says):
        single_file.layout_of(path)


@pytest.fixture
def comfy(tmp_path, monkeypatch):
    """A folder as ComfyUI has it."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    folder = tmp_path / "ComfyUI" / "models"
    for kind, names in NAMES.items():
        (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
        save_file({name: np.zeros(2, np.float32) for name in names}, folder / "checkpoints" / f"my {kind}.safetensors")
    (folder / "old.ckpt").write_bytes(b"pickle")
    (folder / "torn.safetensors").write_bytes(b"12345678")
    tiny_text_sd().save_pretrained(folder / "diffusers" / "mine")
    return folder


def run(*words, code=0):
    done = CliRunner().invoke(whole_app(), [str(word) for word in words])
    assert done.exit_code == code, (words, done.output, done.exception)
    return done


def test_a_folder_of_another_tool_is_listed_by_family(comfy):
    told = run("models", "--add", comfy.parent).stdout
    rows = [line.split("  ") for line in told.splitlines()[1:]]
    kinds = {row[-1] if "(not" not in row[-1] else row[-2]: row[1].strip() for row in rows}
    assert kinds["checkpoints/my sdxl.safetensors"] == "sdxl"
    assert kinds["old.ckpt"] == "pickled"
    assert kinds["torn.safetensors"] == "damaged"
    assert kinds["diffusers/mine"] == "sd1"
    listed = [json.loads(line) for line in run("models", "--json").stdout.splitlines()]
    opens = {row["path"].rpartition("/")[2] for row in listed if row.get("opens")}
    assert opens == {"my sd1.safetensors", "my sdxl.safetensors", "mine"}
    assert "pocket" in {row["ref"] for row in listed}


def test_a_checkpoint_in_it_is_called_by_its_name(comfy):
    model_folders.add(str(comfy))
    assert references.locate("my sd1") == comfy / "checkpoints" / "my sd1.safetensors"
    assert "my sdxl" in references.names_here()
    with pytest.raises(ModelError, match="There is no model at my flux"):
        references.locate("my flux")


def test_folders_are_forgotten(comfy, tmp_path):
    model_folders.add(str(comfy))
    model_folders.add(str(comfy.parent))
    assert model_folders.folders() == [comfy]
    assert "is forgotten" in run("models", "--forget", comfy).stdout
    assert model_folders.folders() == []
    with pytest.raises(UsageError, match="not among the folders"):
        model_folders.forget(str(comfy))
    with pytest.raises(UsageError, match="is not a folder"):
        model_folders.add(str(tmp_path / "nowhere"))


def test_sd1_still_opens_as_before(tmp_path):
    with pytest.raises(ModelError, match="made for other inputs than text"):
        path = tmp_path / "inpaint.safetensors"
        names = dict.fromkeys(NAMES["sd1"], np.zeros(1, np.float32))
        save_file(names | {"model.diffusion_model.input_blocks.0.0.weight": np.zeros((8, 9, 3, 3), np.float32)}, path)
        single_file.layout_of(path)
    assert write_original(tiny_text_sd(), tmp_path / "one.safetensors").is_file()
    assert single_file.layout_of(tmp_path / "one.safetensors") == single_file.LAYOUT_SD1
