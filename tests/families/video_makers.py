"""Tiny random pipelines of the video families, from config alone, as `makers` has those of pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from tests.families.makers import WITHOUT_TEXT, WITHOUT_TEXTS, Made, built, flow, quiet, repeated, rows

VIDEO: dict[str, Callable[..., Made]] = {}


def maker(make: Callable[..., Made]) -> Callable[..., Made]:
    VIDEO[make.__name__] = make
    return make


def masked(n: int, width: int, length: int = 7) -> dict[str, Any]:
    """Return both prompts as embeddings with their masks."""
    return {
        "prompt_embeds": repeated(rows(1, length, width), n),
        "prompt_attention_mask": torch.ones(n, length, dtype=torch.bool),
        "negative_prompt_embeds": repeated(rows(1, length, width, seed=6), n),
        "negative_prompt_attention_mask": torch.ones(n, length, dtype=torch.bool),
    }


def ltx_vae(channels: int = 8) -> Any:
    from diffusers import AutoencoderKLLTXVideo

    torch.manual_seed(1)
    made = AutoencoderKLLTXVideo(
        latent_channels=channels, block_out_channels=(8, 8), decoder_block_out_channels=(8, 8),
        layers_per_block=(1, 1, 1), decoder_layers_per_block=(1, 1, 1), spatio_temporal_scaling=(True, False),
        decoder_spatio_temporal_scaling=(True, False), decoder_inject_noise=(False, False, False),
        upsample_residual=(False, False), upsample_factor=(1, 1), patch_size=1, patch_size_t=1,
        timestep_conditioning=False, encoder_causal=True, decoder_causal=False,
    ).eval()  # fmt: skip
    made.latents_mean.copy_(rows(channels, seed=8) / 10)
    made.latents_std.copy_(1 + rows(channels, seed=9).abs())
    return made


@maker
def ltx(frames: int = 3) -> Made:
    """Its autoencoder keeps the statistics of its latents in buffers; 2 × 2 pixels and 2 frames a latent."""
    transformer = built(
        "LTXVideoTransformer3DModel", in_channels=8, out_channels=8, num_attention_heads=2, attention_head_dim=8,
        cross_attention_dim=16, num_layers=1, caption_channels=16,
    )  # fmt: skip
    parts = {"vae": ltx_vae(), "transformer": transformer}
    pipe = quiet("LTXPipeline", scheduler=flow(use_dynamic_shifting=True), **parts, **WITHOUT_TEXT)

    def arguments(n: int) -> dict[str, Any]:
        return masked(n, 16) | {"guidance_scale": 4.0, "num_frames": frames}

    return pipe, arguments


def hunyuan_vae(channels: int = 4, spatial: int = 2) -> Any:
    from diffusers import AutoencoderKLHunyuanVideo

    torch.manual_seed(1)
    return AutoencoderKLHunyuanVideo(
        latent_channels=channels, block_out_channels=(8, 8, 8), layers_per_block=1, norm_num_groups=4,
        down_block_types=("HunyuanVideoDownBlock3D",) * 3, up_block_types=("HunyuanVideoUpBlock3D",) * 3,
        scaling_factor=0.48, spatial_compression_ratio=spatial, temporal_compression_ratio=4,
        mid_block_add_attention=False,
    ).eval()  # fmt: skip


@maker
def hunyuan_video(frames: int = 5) -> Made:
    """Its scale is told to the denoiser."""
    transformer = built(
        "HunyuanVideoTransformer3DModel", in_channels=4, out_channels=4, num_attention_heads=2, attention_head_dim=10,
        num_layers=1, num_single_layers=1, num_refiner_layers=1, patch_size=1, patch_size_t=1, guidance_embeds=True,
        text_embed_dim=16, pooled_projection_dim=8, rope_axes_dim=(2, 4, 4),
    )  # fmt: skip
    parts = {"vae": hunyuan_vae(), "transformer": transformer}
    pipe = quiet("HunyuanVideoPipeline", scheduler=flow(shift=7.0), **parts, **WITHOUT_TEXTS)

    def arguments(n: int) -> dict[str, Any]:
        return {
            "prompt_embeds": repeated(rows(1, 7, 16), n),
            "prompt_attention_mask": torch.ones(n, 7, dtype=torch.bool),
            "pooled_prompt_embeds": repeated(rows(1, 8), n),
            "guidance_scale": 6.0,
            "num_frames": frames,
        }

    return pipe, arguments


@maker
def cogvideox(frames: int = 5, scheduler: str = "CogVideoXDDIMScheduler", guidance: float = 4.0) -> Made:
    """Latents (n, f, C, h, w), velocities, and a scheduler of its own."""
    import diffusers
    from diffusers import AutoencoderKLCogVideoX

    torch.manual_seed(1)
    vae = AutoencoderKLCogVideoX(
        block_out_channels=(8, 8), latent_channels=4, layers_per_block=1, norm_num_groups=2,
        down_block_types=("CogVideoXDownBlock3D",) * 2, up_block_types=("CogVideoXUpBlock3D",) * 2,
        temporal_compression_ratio=2,
    ).eval()  # fmt: skip
    transformer = built(
        "CogVideoXTransformer3DModel", num_attention_heads=2, attention_head_dim=16, in_channels=4, out_channels=4,
        time_embed_dim=8, text_embed_dim=16, num_layers=1, sample_width=32, sample_height=16, sample_frames=5,
        patch_size=2, temporal_compression_ratio=2, max_text_seq_length=7, use_rotary_positional_embeddings=True,
    )  # fmt: skip
    kind = getattr(diffusers, scheduler)
    own = kind(prediction_type="v_prediction", rescale_betas_zero_snr=True, timestep_spacing="trailing")
    pipe = quiet("CogVideoXPipeline", scheduler=own, vae=vae, transformer=transformer, **WITHOUT_TEXT)

    def arguments(n: int) -> dict[str, Any]:
        return {
            "prompt_embeds": repeated(rows(1, 7, 16), n),
            "negative_prompt_embeds": repeated(rows(1, 7, 16, seed=6), n),
            "guidance_scale": guidance,
            "num_frames": frames,
        }

    return pipe, arguments


@maker
def cogvideox_dpm() -> Made:
    """A scheduler whose step takes the guess before, and returns the next one."""
    return cogvideox(scheduler="CogVideoXDPMScheduler")


@maker
def mochi(frames: int = 7) -> Made:
    from diffusers import AutoencoderKLMochi

    torch.manual_seed(1)
    vae = AutoencoderKLMochi(
        latent_channels=12, encoder_block_out_channels=(32, 32, 32, 32), decoder_block_out_channels=(32, 32, 32, 32),
        layers_per_block=(1, 1, 1, 1, 1),
    ).eval()  # fmt: skip
    transformer = built(
        "MochiTransformer3DModel", patch_size=2, num_attention_heads=2, attention_head_dim=8, num_layers=2,
        pooled_projection_dim=16, in_channels=12, text_embed_dim=16, time_embed_dim=4, max_sequence_length=16,
    )  # fmt: skip
    pipe = quiet("MochiPipeline", scheduler=flow(invert_sigmas=True), vae=vae, transformer=transformer, **WITHOUT_TEXT)

    def arguments(n: int) -> dict[str, Any]:
        return masked(n, 16) | {"guidance_scale": 4.0, "num_frames": frames}

    return pipe, arguments
