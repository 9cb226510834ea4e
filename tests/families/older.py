"""Tiny random pipelines of pictures that the labs do not paint with, most of them older: `record()` alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from tests.families.makers import (
    WITHOUT_TEXT,
    WITHOUT_TEXTS,
    Made,
    built,
    flow,
    quiet,
    repeated,
    rows,
    vae,
    video_vae,
)
from tests.families.newest import both
from tests.families.video_makers import masked

OLDER: dict[str, Callable[..., Made]] = {}


def maker(make: Callable[..., Made]) -> Callable[..., Made]:
    OLDER[make.__name__] = make
    return make


def told(**given: Any) -> Callable[[int], dict[str, Any]]:
    """Return the arguments of a call of n samples: both prompts, 16 wide, and what is given."""
    return lambda n: both(n, 16) | {"guidance_scale": 4.0} | given


@maker
def bria() -> Made:
    transformer = built(
        "BriaTransformer2DModel", patch_size=1, in_channels=16, num_layers=1, num_single_layers=1,
        attention_head_dim=8, num_attention_heads=2, joint_attention_dim=16, pooled_projection_dim=None,
        axes_dims_rope=[0, 4, 4],
    )  # fmt: skip
    parts = {"vae": vae(), "transformer": transformer}
    return quiet("BriaPipeline", scheduler=flow(), **parts, **WITHOUT_TEXT), told()


@maker
def cogview3() -> Made:
    from diffusers import CogVideoXDDIMScheduler

    transformer = built(
        "CogView3PlusTransformer2DModel", patch_size=2, in_channels=4, num_layers=1, attention_head_dim=8,
        num_attention_heads=2, out_channels=4, text_embed_dim=16, time_embed_dim=8, condition_dim=2,
        pos_embed_max_size=16, sample_size=16,
    )  # fmt: skip
    scheduler = CogVideoXDDIMScheduler(prediction_type="v_prediction", rescale_betas_zero_snr=True)
    parts = {"vae": vae(shift_factor=None), "transformer": transformer}
    return quiet("CogView3PlusPipeline", scheduler=scheduler, **parts, **WITHOUT_TEXT), told()


@maker
def hunyuan_dit() -> Made:
    from diffusers import DDPMScheduler

    transformer = built(
        "HunyuanDiT2DModel", sample_size=16, num_layers=2, patch_size=2, attention_head_dim=8, num_attention_heads=3,
        in_channels=4, cross_attention_dim=16, cross_attention_dim_t5=16, pooled_projection_dim=16, hidden_size=24,
        activation_fn="gelu-approximate", text_len=7, text_len_t5=7,
    )  # fmt: skip
    parts = {"vae": vae(blocks=4, shift_factor=None), "transformer": transformer, "safety_checker": None}
    pipe = quiet(
        "HunyuanDiTPipeline", scheduler=DDPMScheduler(prediction_type="v_prediction"), feature_extractor=None,
        requires_safety_checker=False, **parts, **WITHOUT_TEXTS,
    )  # fmt: skip

    def arguments(n: int) -> dict[str, Any]:
        given: dict[str, Any] = {"guidance_scale": 4.0, "use_resolution_binning": False}
        for negative, seed in (("", 5), ("negative_", 6)):
            for which in ("", "_2"):
                given[f"{negative}prompt_embeds{which}"] = repeated(rows(1, 7, 16, seed=seed), n)
                given[f"{negative}prompt_attention_mask{which}"] = torch.ones(n, 7, dtype=torch.int64)
        return given

    return pipe, arguments


@maker
def lumina() -> Made:
    """It steps by −v on ascending levels: its scheduler is told so."""
    transformer = built(
        "LuminaNextDiT2DModel", sample_size=16, patch_size=2, in_channels=4, hidden_size=16, num_layers=1,
        num_attention_heads=2, num_kv_heads=1, multiple_of=16, learn_sigma=True, qk_norm=True,
        cross_attention_dim=16, scaling_factor=1.0,
    )  # fmt: skip
    parts = {"vae": vae(shift_factor=None), "transformer": transformer}
    pipe = quiet("LuminaPipeline", scheduler=flow(), **parts, **WITHOUT_TEXT)

    def arguments(n: int) -> dict[str, Any]:
        given = masked(n, 16)
        given |= {name: given[name].long() for name in given if name.endswith("mask")}
        return given | {"negative_prompt": None, "guidance_scale": 4.0}

    return pipe, arguments


@maker
def ovis() -> Made:
    transformer = built(
        "OvisImageTransformer2DModel", patch_size=1, in_channels=16, out_channels=16, num_layers=1,
        num_single_layers=1, attention_head_dim=16, num_attention_heads=2, joint_attention_dim=16,
        axes_dims_rope=(4, 4, 8),
    )  # fmt: skip
    parts = {"vae": vae(), "transformer": transformer}
    pipe = quiet("OvisImagePipeline", scheduler=flow(use_dynamic_shifting=True), **parts, **WITHOUT_TEXT)
    return pipe, told(negative_prompt=None)


def _movq() -> Any:
    from diffusers import VQModel

    torch.manual_seed(1)
    return VQModel(
        block_out_channels=[32, 32], norm_num_groups=4, vq_embed_dim=4, num_vq_embeddings=12, norm_type="spatial",
        down_block_types=["DownEncoderBlock2D", "DownEncoderBlock2D"],
        up_block_types=["UpDecoderBlock2D", "UpDecoderBlock2D"],
    ).eval()  # fmt: skip


@maker
def kandinsky3() -> Made:
    from diffusers import DDPMScheduler

    unet = built(
        "Kandinsky3UNet", in_channels=4, time_embedding_dim=4, groups=2, attention_head_dim=4, layers_per_block=3,
        block_out_channels=(32, 64), cross_attention_dim=4, encoder_hid_dim=16,
    )  # fmt: skip
    scheduler = DDPMScheduler(beta_schedule="squaredcos_cap_v2", clip_sample=False)
    pipe = quiet("Kandinsky3Pipeline", scheduler=scheduler, unet=unet, movq=_movq(), **WITHOUT_TEXT)

    def arguments(n: int) -> dict[str, Any]:
        masks = {f"{which}attention_mask": torch.ones(n, 7, dtype=torch.int64) for which in ("", "negative_")}
        return both(n, 16) | masks | {"guidance_scale": 4.0}

    return pipe, arguments


@maker
def kandinsky22() -> Made:
    """It paints from the embedding of a picture, which a pipeline before it makes; a learned variance is cut off."""
    from diffusers import DDIMScheduler

    unet = built(
        "UNet2DConditionModel", block_out_channels=(8, 8), layers_per_block=1, in_channels=4, out_channels=8,
        addition_embed_type="image", encoder_hid_dim=16, encoder_hid_dim_type="image_proj", cross_attention_dim=16,
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"), attention_head_dim=4,
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"), norm_num_groups=4,
        mid_block_type="UNetMidBlock2DSimpleCrossAttn", resnet_time_scale_shift="scale_shift",
    )  # fmt: skip
    scheduler = DDIMScheduler(clip_sample=False)
    pipe = quiet("KandinskyV22Pipeline", scheduler=scheduler, unet=unet, movq=_movq())

    def arguments(n: int) -> dict[str, Any]:
        halves = {"image_embeds": rows(1, 16), "negative_image_embeds": rows(1, 16, seed=6)}
        return {name: repeated(half, n) for name, half in halves.items()} | {"guidance_scale": 4.0}

    return pipe, arguments


@maker
def deepfloyd() -> Made:
    """Pixels, not latents: there is no decoder, and nothing to unpack."""
    from diffusers import DDPMScheduler

    unet = built(
        "UNet2DConditionModel", sample_size=16, layers_per_block=1, block_out_channels=(8, 8), in_channels=3,
        out_channels=6, cross_attention_dim=16, encoder_hid_dim=16, attention_head_dim=4, norm_num_groups=4,
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"), addition_embed_type="text",
        addition_embed_type_num_heads=2, resnet_time_scale_shift="scale_shift", act_fn="gelu",
    )  # fmt: skip
    scheduler = DDPMScheduler(
        beta_schedule="squaredcos_cap_v2", thresholding=True, dynamic_thresholding_ratio=0.95,
        variance_type="learned_range",
    )  # fmt: skip
    parts = {"unet": unet, "safety_checker": None, "feature_extractor": None, "watermarker": None}
    pipe = quiet("IFPipeline", scheduler=scheduler, requires_safety_checker=False, **parts, **WITHOUT_TEXT)
    return pipe, told(output_type="pt")


@maker
def nucleus() -> Made:
    transformer = built(
        "NucleusMoEImageTransformer2DModel", patch_size=2, in_channels=16, out_channels=4, num_layers=1,
        attention_head_dim=16, num_attention_heads=2, joint_attention_dim=16, axes_dims_rope=(8, 4, 4),
        moe_enabled=False, capacity_factors=[8.0],
    )  # fmt: skip
    parts = {"vae": video_vae("AutoencoderKLQwenImage"), "transformer": transformer, "processor": None}
    pipe = quiet("NucleusMoEImagePipeline", scheduler=flow(use_dynamic_shifting=True), text_encoder=None, **parts)

    def arguments(n: int) -> dict[str, Any]:
        masks = {f"{which}prompt_embeds_mask": torch.ones(n, 7, dtype=torch.int64) for which in ("", "negative_")}
        return both(n, 16) | masks | {"guidance_scale": 4.0}

    return pipe, arguments


@maker
def glm_image() -> Made:
    """A language model paints the tokens of a small picture first; here they are given."""
    transformer = built(
        "GlmImageTransformer2DModel", patch_size=2, in_channels=4, out_channels=4, num_layers=1,
        attention_head_dim=8, num_attention_heads=2, text_embed_dim=16, time_embed_dim=16, condition_dim=8,
        prior_vq_quantizer_codebook_size=32,
    )  # fmt: skip
    parts = {"vae": vae(latents_mean=[0.0] * 4, latents_std=[1.0] * 4), "transformer": transformer}
    pipe = quiet(
        "GlmImagePipeline", scheduler=flow(use_dynamic_shifting=True), processor=None, vision_language_encoder=None,
        **parts, **WITHOUT_TEXT,
    )  # fmt: skip

    def arguments(n: int) -> dict[str, Any]:
        tokens = torch.arange(8 * 16)[None].repeat(n, 1) % 32
        return both(n, 16) | {"guidance_scale": 4.0, "prior_token_ids": tokens}

    return pipe, arguments
