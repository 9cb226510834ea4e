"""Names to blocks, and what a file looks made for."""

import pytest

from denoisecli.lora.blocks import MOST_BLOCKS, block_of, blocks_of, made_for, short_name
from denoisecli.lora.keys import Layer


def layer(name, columns=10):
    return Layer(name, "kohya", "d", "u", None, None, 4, 10, columns, (), "F16")


@pytest.mark.parametrize(
    ("name", "block"),
    [
        ("lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q", "down 1"),
        ("lora_unet_mid_block_attentions_0_proj_in", "mid"),
        ("lora_unet_up_blocks_3_attentions_2_transformer_blocks_0_ff_net_2", "up 3"),
        ("lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k", "down 4"),
        ("lora_unet_output_blocks_10_1_proj_out", "up 10"),
        ("unet.down_blocks.2.attentions.1.proj_in", "down 2"),
        ("lora_te_text_model_encoder_layers_11_mlp_fc1", "text layer 11"),
        ("lora_te2_text_model_encoder_layers_3_mlp_fc1", "text 2 layer 3"),
        ("text_encoder_2.text_model.encoder.layers.3.mlp.fc1", "text 2 layer 3"),
        ("transformer.transformer_blocks.7.attn.to_q", "block 7"),
        ("transformer.single_transformer_blocks.7.attn.to_q", "single 7"),
        ("lora_unet_double_blocks_3_img_mlp_0", "double 3"),
        ("lora_unet_conv_in", "other"),
        ("lora_te1_text_projection", "text other"),
    ],
)
def test_block_of(name, block):
    assert block_of(name) == block


def test_blocks_stand_in_the_networks_order():
    names = ["lora_unet_up_blocks_1_x", "lora_te_encoder_layers_0_x", "lora_unet_mid_block_x"]
    names += ["lora_unet_down_blocks_10_x", "lora_unet_down_blocks_2_x"]
    assert list(blocks_of(map(layer, names))) == ["text layer 0", "down 2", "down 10", "mid", "up 1"]


def test_many_blocks_are_merged_by_kind():
    names = [f"lora_te_text_model_encoder_layers_{k}_x" for k in range(12)]
    names += [f"lora_unet_down_blocks_{k}_x" for k in range(3)] + ["lora_unet_mid_block_x"]
    blocks = blocks_of(map(layer, names))
    assert list(blocks) == ["text", "down 0", "down 1", "down 2", "mid"]
    assert len(blocks["text"]) == 12
    flux = blocks_of(layer(f"lora_unet_{kind}_blocks_{k}_x") for kind in ("double", "single") for k in range(19))
    assert list(flux) == ["double", "single"]
    assert len(flux) <= MOST_BLOCKS


@pytest.mark.parametrize(
    ("name", "columns", "model"),
    [
        ("lora_unet_down_blocks_0_attn2_to_k", 768, "Stable Diffusion 1.x"),
        ("lora_unet_down_blocks_0_attn2_to_k", 2048, "Stable Diffusion XL"),
        ("unet.down_blocks.0.attn2.processor.to_v", 1024, "Stable Diffusion 2.x"),
        ("unet.down_blocks.0.attn2.to_v", 333, "a model whose prompts have width 333"),
        ("lora_unet_double_blocks_0_img_attn_proj", 3072, "FLUX.1 or a model built like it"),
        ("lora_unet_double_blocks_0_img_mlp_0", 3072, "FLUX.1 or a model built like it"),
        ("diffusion_model.layers.0.attention.to_q", 3840, "Z-Image"),
        ("transformer.transformer_blocks.0.img_mlp.net.2", 12288, "Qwen-Image"),
        ("diffusion_model.blocks.0.self_attn.q", 5120, "Wan"),
        ("transformer.double_blocks.0.img_attn.qkv", 3072, "FLUX.1 or a model built like it"),
        ("transformer.double_blocks.0.img_attn_qkv", 3072, "HunyuanVideo"),
        ("lora_unet_double_blocks_0_img_mlp_fc1", 3072, "HunyuanVideo"),
        ("lora_unet_single_blocks_39_linear1", 3072, "HunyuanVideo"),
        ("transformer.single_transformer_blocks.37.attn.to_q", 3072, "FLUX.1 or a model built like it"),
        ("lora_unet_joint_blocks_0_x", 1536, "Stable Diffusion 3"),
        ("lora_te2_text_model_x", 1280, "Stable Diffusion XL"),
        ("lora_unet_x", 5, "a model we do not know"),
    ],
)
def test_made_for(name, columns, model):
    assert made_for([layer(name, columns)]) == model


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("lora_unet_up_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k", "up 0 attn2_to_k"),
        ("unet.mid_block.attentions.0.transformer_blocks.0.ff.net.0.proj", "mid ff_net_0_proj"),
        ("unet.down_blocks.1.attentions.0.proj_in", "down 1 proj_in"),
        ("lora_te_text_model_encoder_layers_3_mlp_fc1", "text layer 3 mlp_fc1"),
        ("a_b", "other b"),
        ("a", "other a"),
        ("a_", "other a_"),
    ],
)
def test_short_name(name, short):
    assert short_name(name) == short
