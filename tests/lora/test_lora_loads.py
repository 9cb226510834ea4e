"""Truncated files in the hands of diffusers' own loader: the weights it ends up with are W + the best cut of ΔW."""

import json

import numpy as np
import pytest

from denoisecli.lora.file import open_lora
from denoisecli.lora.fit import misfits, plain_name
from denoisecli.lora.safetensors import encode
from denoisecli.lora.truncate import truncate
from tests.lora.made import factors, save
from tests.tiny import tiny_sd

RANK, CUT, ALPHA = 4, 2, 3.0


@pytest.fixture
def pipe():
    return tiny_sd()


def targets(pipe):
    """Return the attention layers of the U-Net that a LoRA changes, by name."""
    return {
        name: module.weight.detach().numpy()
        for name, module in pipe.unet.named_modules()
        if name.endswith(("to_q", "to_k", "to_v", "to_out.0", "ff.net.2"))
    }


def tensors_for(weights, layout):
    tensors = {}
    for index, (name, weight) in enumerate(weights.items()):
        up, down = factors(*weight.shape, RANK, index)
        if layout == "kohya":
            base = "lora_unet_" + name.replace(".", "_")
            tensors |= {f"{base}.lora_up.weight": up, f"{base}.lora_down.weight": down}
            tensors[f"{base}.alpha"] = np.array(ALPHA, np.float32)
        else:
            tensors |= {f"unet.{name}.lora_B.weight": up, f"unet.{name}.lora_A.weight": down}
    return tensors


def metadata_for(weights, layout):
    if layout != "peft with metadata":
        return None
    config = {
        "unet.r": RANK,
        "unet.lora_alpha": ALPHA,
        "unet.target_modules": sorted(weights),
        "unet.peft_type": "LORA",
    }
    return {"lora_adapter_metadata": json.dumps(config)}


@pytest.mark.parametrize("layout", ["kohya", "peft", "peft with metadata"])
@pytest.mark.parametrize("ranks", ["one", "differing"])
def test_diffusers_loads_it(pipe, tmp_path, layout, ranks):
    weights = targets(pipe)
    path = save(tensors_for(weights, layout), tmp_path / "in.safetensors", metadata_for(weights, layout))
    with open_lora(path) as lora:
        cuts = {layer.name: CUT if ranks == "one" or index % 3 else 1 for index, layer in enumerate(lora.layers)}
        wanted = {plain_name(layer.name): _best(lora, layer, cuts[layer.name]) for layer in lora.layers}
        assert not misfits(lora.layers, {plain_name(f"unet.{name}"): array.shape for name, array in weights.items()})
        truncate(lora, {tmp_path / "cut.safetensors": cuts})
    before = {name: weight.copy() for name, weight in weights.items()}
    pipe.load_lora_weights(str(tmp_path), weight_name="cut.safetensors", use_safetensors=True)
    pipe.fuse_lora()
    fused = {name.replace(".base_layer", ""): weight for name, weight in pipe.unet.state_dict().items()}
    for name, weight in before.items():
        change = fused[f"{name}.weight"].numpy() - weight
        np.testing.assert_allclose(change, wanted[plain_name(f"unet.{name}")], atol=1e-5)


def _best(lora, layer, rank):
    up, down = lora.factors(layer)
    u, s, vt = np.linalg.svd(lora.scale(layer) * up @ down, full_matrices=False)
    return (u[:, :rank] * s[:rank]) @ vt[:rank]


def test_the_pocket_model_takes_its_cuts(tmp_path, capfd):
    from denoisecli.diffusion.adapters import add_loras
    from denoisecli.diffusion.models import load_model
    from denoisecli.labs.lora_rank.images import module_shapes
    from tests.lora.made import pocket_tensors

    path = save(pocket_tensors(rank=4), tmp_path / "in.safetensors")
    model = load_model("pocket", "cpu")
    with open_lora(path) as lora:
        assert not misfits(lora.layers, module_shapes(model))
        truncate(lora, {tmp_path / "cut.safetensors": {layer.name: 2 for layer in lora.layers}})
    add_loras(model, [(str(tmp_path / "cut.safetensors"), 1.0)])
    assert model.pipe.get_list_adapters() == {"unet": ["lora0"]}
    assert "No LoRA keys" not in capfd.readouterr().err  # it has none for the text encoder, which is no news


NAMES = [
    ("lora_unet_mid_block_attentions_0_proj_in", "unet.mid_block.attentions.0.proj_in"),
    ("unet.mid.attn1.processor.to_q", "unet.mid.attn1.to_q"),
    ("unet.mid.attn1.processor.to_out", "unet.mid.attn1.to_out.0"),
    ("lora_te_text_model_encoder_layers_0_mlp_fc1", "text_encoder.encoder.layers.0.mlp.fc1"),
    ("lora_te1_text_model_encoder_layers_0_mlp_fc1", "text_encoder.text_model.encoder.layers.0.mlp.fc1"),
    ("lora_te2_text_model_encoder_layers_0_mlp_fc1", "text_encoder_2.text_model.encoder.layers.0.mlp.fc1"),
    ("text_encoder.text_model.encoder.layers.0.self_attn.to_q", "text_encoder.encoder.layers.0.self_attn.q_proj"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "module"), NAMES)
def test_one_name_for_one_layer(file, module):
    assert plain_name(file) == plain_name(module)


def test_encode_is_total():
    assert encode(np.array([1e6]), "F16") == np.array([np.inf], np.float16).tobytes()
