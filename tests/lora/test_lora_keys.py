"""What a LoRA file is: every tool's names become layers; what is none, or another kind, is refused by name."""

import numpy as np
import pytest
from safetensors.numpy import load_file

from denoisecli.errors import ModelError
from denoisecli.lora.file import open_lora
from denoisecli.lora.truncate import truncate
from tests.lora.made import factors, kohya_tensors, save

UP, DOWN = factors(6, 5, 2)
KOHYA = (".lora_down.weight", ".lora_up.weight", "kohya")
PAIRS = [
    pytest.param("lora_unet_mid_block_x", *KOHYA, id="kohya unet"),
    pytest.param("lora_te1_text_model_encoder_layers_0_mlp_fc1", *KOHYA, id="te1"),
    pytest.param("lora_te2_text_model_encoder_layers_0_mlp_fc1", *KOHYA, id="te2"),
    pytest.param("unet.mid.to_q", ".lora_A.weight", ".lora_B.weight", "peft", id="diffusers today"),
    pytest.param("base_model.model.mid.to_q", ".lora_A.weight", ".lora_B.weight", "peft", id="PEFT"),
    pytest.param("unet.mid.to_q", ".lora_A.default.weight", ".lora_B.default.weight", "peft", id="adapter's name"),
    pytest.param("unet.mid.processor.to_q", "_lora.down.weight", "_lora.up.weight", "diffusers", id="processors"),
    pytest.param("unet.mid.to_q", ".lora.down.weight", ".lora.up.weight", "diffusers", id="old diffusers"),
    pytest.param("fc1", ".lora_linear_layer.down.weight", ".lora_linear_layer.up.weight", "diffusers", id="old text"),
]  # fmt: skip


@pytest.mark.parametrize(("base", "down", "up", "layout"), PAIRS)
def test_layouts(tmp_path, base, down, up, layout):
    path = save({base + down: DOWN, base + up: UP}, tmp_path / "x.safetensors")
    with open_lora(path) as lora:
        (layer,) = lora.layers
        assert (layer.name, layer.layout, layer.rank, layer.rows, layer.columns) == (base, layout, 2, 6, 5)
        assert lora.scale(layer) == 1
        np.testing.assert_array_equal(lora.factors(layer)[0], UP)
        np.testing.assert_array_equal(lora.factors(layer)[1], DOWN)


@pytest.mark.parametrize(
    ("alpha", "scale"),
    [
        pytest.param(None, 1.0, id="missing"),
        pytest.param(np.array(1.0, np.float16), 0.5, id="scalar"),
        pytest.param(np.array([4.0], np.float32), 2.0, id="of one"),
        pytest.param(np.array(6), 3.0, id="whole"),
    ],
)
def test_alpha(tmp_path, alpha, scale):
    tensors = {"lora_unet_x.lora_down.weight": DOWN, "lora_unet_x.lora_up.weight": UP}
    path = save(tensors | ({} if alpha is None else {"lora_unet_x.alpha": alpha}), tmp_path / "x.safetensors")
    with open_lora(path) as lora:
        assert lora.scale(lora.layers[0]) == scale


def test_scale_from_peft_metadata(peft):
    with open_lora(peft) as lora:
        scales = {layer.name.split(".")[1]: lora.scale(layer) for layer in lora.layers}
    assert scales == {"down_blocks": 2.0, "mid_block": 1.0, "up_blocks": 2.0}


def test_rank_stabilised_scale(tmp_path):
    meta = {"lora_adapter_metadata": '{"unet.r": 2, "unet.lora_alpha": 4, "unet.use_rslora": true}'}
    path = save({"unet.x.lora_A.weight": DOWN, "unet.x.lora_B.weight": UP}, tmp_path / "x.safetensors", meta)
    with open_lora(path) as lora:
        assert lora.scale(lora.layers[0]) == pytest.approx(4 / np.sqrt(2))


def test_convolutions_are_matrices(kohya):
    with open_lora(kohya) as lora:
        layer = next(layer for layer in lora.layers if "conv1" in layer.name)
        assert (layer.rows, layer.columns, layer.kernel, layer.full) == (24, 12 * 9, (3, 3), 24 * 12 * 9)


def test_a_middle_factor_is_multiplied_in(tmp_path):
    rng = np.random.default_rng(0)
    up, mid, down = (
        rng.standard_normal((6, 2, 1, 1)),
        rng.standard_normal((2, 2, 3, 3)),
        rng.standard_normal((2, 5, 1, 1)),
    )
    base = "lora_unet_conv"
    tensors = {f"{base}.lora_up.weight": up, f"{base}.lora_mid.weight": mid, f"{base}.lora_down.weight": down}
    with open_lora(save(tensors, tmp_path / "x.safetensors")) as lora:
        left, right = lora.factors(lora.layers[0])
    whole = np.einsum("or,rskl,si->oikl", up[:, :, 0, 0], mid, down[:, :, 0, 0])
    np.testing.assert_allclose((left @ right).reshape(6, 5, 3, 3), whole)


PLAIN = {"a.lora_down.weight": DOWN, "a.lora_up.weight": UP}
ONE = np.ones((2, 2), np.float32)
REFUSED = [
    pytest.param(PLAIN | {"a.dora_scale": ONE}, "but DoRA", id="DoRA"),
    pytest.param(PLAIN | {"unet.a.lora_magnitude_vector": ONE}, "but DoRA", id="PEFT's DoRA"),
    pytest.param({"a.hada_w1_a": ONE, "a.hada_w1_b": ONE}, "but LoHa .* entrywise product", id="LoHa"),
    pytest.param({"a.lokr_w1": ONE, "a.lokr_w2_a": ONE}, "but LoKr .* Kronecker product", id="LoKr"),
    pytest.param({"a.oft_blocks": ONE}, "but OFT", id="OFT"),
    pytest.param({"a.diff": ONE, "b.diff_b": ONE}, "full difference", id="full differences alone"),
    pytest.param({"a.on_input": ONE, "a.weight": ONE}, "IA³", id="IA3"),
    pytest.param({"model.diffusion_model.x.weight": ONE}, "by its names, a whole checkpoint", id="checkpoint"),
    pytest.param({"emb_params": ONE}, "textual inversion", id="textual inversion"),
    pytest.param({"control_model.x": ONE}, "ControlNet", id="ControlNet"),
    pytest.param({"up_blocks.0.conv.weight": ONE}, "whole U-Net", id="U-Net"),
    pytest.param({"x": ONE, "y": ONE}, "not a LoRA: it holds x, y", id="something else"),
    pytest.param({"a.lora_down.weight": DOWN}, "no up factor", id="down alone"),
    pytest.param(PLAIN | {"b.lora_up.weight": UP}, "no down factor", id="up alone"),
    pytest.param(PLAIN | {"a.lora_up.weight": UP[:, :1]}, "fit each other: 6×1 and 2×5", id="ranks"),
    pytest.param(PLAIN | {"a.alpha": ONE}, "should be one number", id="alpha of many"),
    pytest.param({"a.lora_down.weight": np.ones((20_000, 1)), "a.lora_up.weight": np.ones((1, 20_000))},
                 "a is of rank 20,000, which no LoRA has", id="a rank beyond all"),
    pytest.param({"a.lora_down.weight": DOWN[None, None], "a.lora_up.weight": UP}, "do not fit", id="axes"),
]  # fmt: skip


@pytest.mark.parametrize(("tensors", "sentence"), REFUSED)
def test_refused(tmp_path, tensors, sentence):
    path = save(tensors, tmp_path / "x.safetensors")
    with pytest.raises(ModelError, match=sentence) as caught, open_lora(path):
        pass
    assert str(path) in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("ending", [".diff", ".diff_b", ".diff_m", ".w_norm"])
def test_differences_beside_pairs_are_copied(tmp_path, ending):
    """Most distillations of Wan: norms and biases as they change, matrices as pairs."""
    path = save(PLAIN | {f"b{ending}": ONE}, tmp_path / "x.safetensors")
    with open_lora(path) as lora:
        assert lora.differences == [f"b{ending}"]
        truncate(lora, {tmp_path / "cut.safetensors": {"a": 1}})
    cut = load_file(tmp_path / "cut.safetensors")
    np.testing.assert_array_equal(cut[f"b{ending}"], ONE)
    assert cut["a.lora_down.weight"].shape[0] == 1


def test_an_empty_file_is_no_lora(tmp_path):
    with (
        pytest.raises(ModelError, match="not a LoRA: it holds nothing"),
        open_lora(save({}, tmp_path / "x.safetensors")),
    ):
        pass


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers(tmp_path, value):
    tensors = kohya_tensors()
    name = next(name for name in tensors if name.endswith("up.weight"))
    tensors[name][0, 0] = value
    with open_lora(save(tensors, tmp_path / "x.safetensors")) as lora:
        layer = next(layer for layer in lora.layers if layer.up == name)
        with pytest.raises(ModelError, match="NaN or infinite") as caught:
            lora.factors(layer)
    assert name in caught.value.message


def test_an_alpha_that_is_no_number(tmp_path):
    path = save(PLAIN | {"a.alpha": np.array(np.nan, np.float32)}, tmp_path / "x.safetensors")
    with open_lora(path) as lora, pytest.raises(ModelError, match=r"a\.alpha is nan"):
        lora.scale(lora.layers[0])


@pytest.mark.parametrize("text", ["{", "[]", "[" * 100_000])
def test_damaged_peft_metadata(tmp_path, text):
    path = save(PLAIN, tmp_path / "x.safetensors", {"lora_adapter_metadata": text})
    with pytest.raises(ModelError, match="not a JSON table"), open_lora(path):
        pass
