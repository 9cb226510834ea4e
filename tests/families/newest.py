"""Tiny random pipelines of the newest families, and of older ones that the labs do not paint with: `record()` alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from tests.families.folders import language_model, seeing_model
from tests.families.makers import (
    WITHOUT_TEXT,
    WITHOUT_TEXTS,
    Made,
    built,
    flow,
    flux2_vae,
    quiet,
    repeated,
    rows,
    vae,
    video_vae,
)
from tests.families.video_makers import hunyuan_vae, masked

NEWEST: dict[str, Callable[..., Made]] = {}


def maker(make: Callable[..., Made]) -> Callable[..., Made]:
    NEWEST[make.__name__] = make
    return make


def both(n: int, width: int, length: int = 7) -> dict[str, Any]:
    """Return both prompts as embeddings, without masks."""
    return {
        "prompt_embeds": repeated(rows(1, length, width), n),
        "negative_prompt_embeds": repeated(rows(1, length, width, seed=6), n),
    }


@maker
def ideogram4() -> Made:
    """It takes its prompt as text alone; a second denoiser runs without it."""
    config = {
        "in_channels": 16, "num_layers": 1, "attention_head_dim": 16, "num_attention_heads": 2,
        "intermediate_size": 32, "adaln_dim": 16, "llm_features_dim": 16 * 13, "mrope_section": (4, 2, 2),
    }  # fmt: skip
    encoder, tokenizer = seeing_model("Qwen3VL", 16, layers=36, model="Model")
    pipe = quiet(
        "Ideogram4Pipeline",
        scheduler=flow(),
        vae=flux2_vae(),
        text_encoder=encoder,
        tokenizer=tokenizer,
        transformer=built("Ideogram4Transformer2DModel", **config),
        unconditional_transformer=built("Ideogram4Transformer2DModel", **config),
    )
    for parameter in pipe.unconditional_transformer.parameters():
        parameter.data.mul_(1.1)

    def arguments(n: int) -> dict[str, Any]:
        return {"prompt": ["a cat"] * n, "guidance_scale": 4.0, "guidance_schedule": None, "max_sequence_length": 64}

    return pipe, arguments


@maker
def ltx2() -> Made:
    """A copy of the scheduler steps the sound; guidance is mixed between guesses."""
    from diffusers import AutoencoderKLLTX2Audio, AutoencoderKLLTX2Video
    from diffusers.pipelines.ltx2 import LTX2TextConnectors, LTX2Vocoder

    transformer = built(
        "LTX2VideoTransformer3DModel", in_channels=4, out_channels=4, num_attention_heads=2, attention_head_dim=8,
        cross_attention_dim=16, audio_in_channels=4, audio_out_channels=4, audio_num_attention_heads=2,
        audio_attention_head_dim=4, audio_cross_attention_dim=8, num_layers=2, caption_channels=16,
        rope_double_precision=False, rope_type="split",
    )  # fmt: skip
    torch.manual_seed(0)
    connectors = LTX2TextConnectors(
        caption_channels=16, text_proj_in_factor=2, video_connector_num_attention_heads=2,
        video_connector_attention_head_dim=8, video_connector_num_layers=1,
        video_connector_num_learnable_registers=None, audio_connector_num_attention_heads=2,
        audio_connector_attention_head_dim=8, audio_connector_num_layers=1,
        audio_connector_num_learnable_registers=None, connector_rope_base_seq_len=32, rope_double_precision=False,
        rope_type="split",
    ).eval()  # fmt: skip
    torch.manual_seed(1)
    video = AutoencoderKLLTX2Video(
        latent_channels=4, block_out_channels=(8,), decoder_block_out_channels=(8,), layers_per_block=(1,),
        decoder_layers_per_block=(1, 1), spatio_temporal_scaling=(True,), decoder_spatio_temporal_scaling=(True,),
        decoder_inject_noise=(False, False), downsample_type=("spatial",), upsample_residual=(False,),
        upsample_factor=(1,), patch_size=1, patch_size_t=1, timestep_conditioning=False, encoder_causal=True,
        decoder_causal=False,
    ).eval()  # fmt: skip
    audio = AutoencoderKLLTX2Audio(
        base_channels=4, output_channels=2, ch_mult=(1,), num_res_blocks=1, attn_resolutions=None, in_channels=2,
        resolution=32, latent_channels=2, norm_type="pixel", causality_axis="height", mid_block_add_attention=False,
        sample_rate=16000, mel_hop_length=160, is_causal=True, mel_bins=8,
    ).eval()  # fmt: skip
    vocoder = LTX2Vocoder(
        in_channels=16, hidden_channels=8, out_channels=2, upsample_kernel_sizes=[4, 4], upsample_factors=[2, 2],
        resnet_kernel_sizes=[3], resnet_dilations=[[1, 3, 5]], output_sampling_rate=16000,
    ).eval()  # fmt: skip
    parts = {"vae": video, "audio_vae": audio, "connectors": connectors, "vocoder": vocoder}
    pipe = quiet("LTX2Pipeline", scheduler=flow(), transformer=transformer, **parts, **WITHOUT_TEXT)

    def arguments(n: int) -> dict[str, Any]:
        return masked(n, 32) | {
            "guidance_scale": 4.0, "stg_scale": 0.0, "modality_scale": 1.0, "guidance_rescale": 0.0,
            "audio_guidance_scale": 3.0, "audio_stg_scale": 0.0, "audio_modality_scale": 1.0,
            "audio_guidance_rescale": 0.0, "spatio_temporal_guidance_blocks": None, "use_cross_timestep": False,
            "num_frames": 5, "frame_rate": 25.0,
        }  # fmt: skip

    return pipe, arguments


@maker
def kandinsky6() -> Made:
    """Channels last; a copy of the scheduler steps the sound."""
    from diffusers import MMAudioVAE, MMAudioVocoder

    transformer = built(
        "Kandinsky6Transformer3DModel", in_visual_dim=4, out_visual_dim=4, in_text_dim=16, in_text_dim2=16,
        time_dim=16, model_dim=32, ff_dim=32, num_text_blocks=1, num_visual_blocks=1, axes_dims=(8, 4, 4),
        in_audio_dim=4, out_audio_dim=4,
    )  # fmt: skip
    torch.manual_seed(1)
    sound = {
        "audio_vae": MMAudioVAE(mel_bins=8, latent_channels=4, hidden_channels=8, sample_rate=16000).eval(),
        "vocoder": MMAudioVocoder(
            num_mels=8, upsample_initial_channel=16, upsample_rates=(2, 2), upsample_kernel_sizes=(4, 4),
            resblock_kernel_sizes=(3,), resblock_dilation_sizes=((1, 3, 5),),
        ).eval(),
    }  # fmt: skip
    parts = {"vae": hunyuan_vae(), "transformer": transformer, **sound}
    pipe = quiet("Kandinsky6TI2VAPipeline", scheduler=flow(), **parts, **WITHOUT_TEXTS)

    def arguments(n: int) -> dict[str, Any]:
        return both(n, 16) | {
            "pooled_prompt_embeds": repeated(rows(1, 16), n),
            "negative_pooled_prompt_embeds": repeated(rows(1, 16, seed=6), n),
            "guidance_scale": 4.0,
            "num_frames": 5,
        }

    return pipe, arguments


@maker
def kandinsky5_video() -> Made:
    transformer = built(
        "Kandinsky5Transformer3DModel", in_visual_dim=4, out_visual_dim=4, in_text_dim=16, in_text_dim2=16,
        time_dim=16, model_dim=32, ff_dim=32, num_text_blocks=1, num_visual_blocks=1, axes_dims=(8, 4, 4),
    )  # fmt: skip
    parts = {"vae": hunyuan_vae(spatial=8), "transformer": transformer}
    pipe = quiet("Kandinsky5T2VPipeline", scheduler=flow(), **parts, **WITHOUT_TEXTS)

    def arguments(n: int) -> dict[str, Any]:
        lengths = torch.tensor([7 * i for i in range(n + 1)], dtype=torch.int32)
        return {
            "prompt_embeds_qwen": repeated(rows(1, 7, 16), n),
            "prompt_embeds_clip": repeated(rows(1, 16), n),
            "prompt_cu_seqlens": lengths,
            "negative_prompt_embeds_qwen": repeated(rows(1, 7, 16, seed=6), n),
            "negative_prompt_embeds_clip": repeated(rows(1, 16, seed=6), n),
            "negative_prompt_cu_seqlens": lengths,
            "guidance_scale": 4.0,
            "num_frames": 5,
            "height": 64,
            "width": 128,
        }

    return pipe, arguments


def _cosmos(**config: Any) -> Any:
    return built(
        "CosmosTransformer3DModel",
        **({
            "in_channels": 4, "out_channels": 4, "num_attention_heads": 2, "attention_head_dim": 16, "num_layers": 1,
            "mlp_ratio": 2, "text_embed_dim": 16, "adaln_lora_dim": 4, "max_size": (4, 64, 64),
            "patch_size": (1, 2, 2), "rope_scale": (2.0, 1.0, 1.0), "concat_padding_mask": False,
            "extra_pos_embed_type": "learnable",
        } | config),
    )  # fmt: skip


class NobodyChecks(torch.nn.Module):
    """Stands where Cosmos wants its guardrail: cosmos_guardrail, a package that brings models of its own."""

    device, dtype = torch.device("cpu"), torch.float32

    def check_text_safety(self, _text: str) -> bool:
        return True


def _cosmos_pipe(name: str, decoder: Any, **more: Any) -> Made:
    parts = {"vae": decoder, "transformer": _cosmos(), "safety_checker": NobodyChecks()}
    pipe = quiet(name, scheduler=flow(use_karras_sigmas=True), **parts, **WITHOUT_TEXT)

    def arguments(n: int) -> dict[str, Any]:
        return both(n, 16) | {"guidance_scale": 4.0} | more

    return pipe, arguments


@maker
def cosmos2() -> Made:
    """Its latents are of any variance; guidance is mixed between guesses, c + s·(c − u)."""
    return _cosmos_pipe("Cosmos2TextToImagePipeline", video_vae("AutoencoderKLWan"))


@maker
def cosmos_video() -> Made:
    from diffusers import AutoencoderKLCosmos, EDMEulerScheduler

    torch.manual_seed(1)
    decoder = AutoencoderKLCosmos(
        latent_channels=4, encoder_block_out_channels=(8, 8, 8), decode_block_out_channels=(8, 8, 8),
        attention_resolutions=(8,), resolution=64, num_layers=1, patch_size=2, patch_type="haar", scaling_factor=1.0,
        spatial_compression_ratio=4, temporal_compression_ratio=4,
    ).eval()  # fmt: skip
    pipe, arguments = _cosmos_pipe("CosmosTextToWorldPipeline", decoder, num_frames=9)
    pipe.scheduler = EDMEulerScheduler(
        sigma_min=0.002, sigma_max=80, sigma_data=0.5, sigma_schedule="karras", prediction_type="epsilon"
    )
    return pipe, arguments


@maker
def cosmos3() -> Made:
    """One prompt a call, as text; latents without an axis of samples but at the scheduler."""
    from diffusers import UniPCMultistepScheduler

    transformer = built(
        "Cosmos3OmniTransformer", head_dim=6, hidden_act="relu2", hidden_size=6, intermediate_size=12,
        latent_channel=4, latent_patch_size=1, num_attention_heads=1, num_hidden_layers=1, num_key_value_heads=1,
        patch_latent_dim=4, qk_norm_for_text=False, rms_norm_eps=1e-5, rope_axes_dim=[1, 1, 1], vocab_size=400,
    )  # fmt: skip
    _, tokenizer = language_model("Qwen3", 16)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|vision_start|>"]})
    scheduler = UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True)
    pipe = quiet(
        "Cosmos3OmniPipeline", transformer=transformer, text_tokenizer=tokenizer, vae=video_vae("AutoencoderKLWan"),
        scheduler=scheduler, sound_tokenizer=None, safety_checker=NobodyChecks(), enable_safety_checker=False,
    )  # fmt: skip

    def arguments(n: int) -> dict[str, Any]:
        del n
        return {
            "prompt": "a cat", "negative_prompt": "bad", "num_frames": 5, "guidance_scale": 4.0,
            "generator": torch.Generator().manual_seed(0), "enable_safety_check": False,
        }  # fmt: skip

    return pipe, arguments


def _skyreels(**config: Any) -> Any:
    return built(
        "SkyReelsV2Transformer3DModel", patch_size=(1, 2, 2), num_attention_heads=2, attention_head_dim=12,
        in_channels=4, out_channels=4, text_dim=16, freq_dim=16, ffn_dim=16, num_layers=1, cross_attn_norm=True,
        rope_max_seq_len=32, **config,
    )  # fmt: skip


def _skyreels_pipe(name: str, **config: Any) -> Made:
    from diffusers import UniPCMultistepScheduler

    scheduler = UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0)
    parts = {"vae": video_vae("AutoencoderKLWan"), "scheduler": scheduler, "transformer": _skyreels(**config)}
    pipe = quiet(name, **parts, **WITHOUT_TEXT)

    def arguments(n: int) -> dict[str, Any]:
        return {"prompt": None} | both(n, 16) | {"guidance_scale": 4.0, "num_frames": 5}

    return pipe, arguments


@maker
def skyreels() -> Made:
    return _skyreels_pipe("SkyReelsV2Pipeline")


@maker
def skyreels_forcing() -> Made:
    """Diffusion forcing: a copy of the scheduler steps each frame."""
    return _skyreels_pipe("SkyReelsV2DiffusionForcingPipeline", inject_sample_info=False)


@maker
def hunyuan_video15() -> Made:
    from diffusers import AutoencoderKLHunyuanVideo15
    from diffusers.guiders import ClassifierFreeGuidance

    torch.manual_seed(1)
    decoder = AutoencoderKLHunyuanVideo15(
        latent_channels=4, block_out_channels=(16, 16), layers_per_block=1, spatial_compression_ratio=4,
        temporal_compression_ratio=2, downsample_match_channel=False, upsample_match_channel=False,
    ).eval()  # fmt: skip
    transformer = built(
        "HunyuanVideo15Transformer3DModel", in_channels=9, out_channels=4, num_attention_heads=2,
        attention_head_dim=8, num_layers=1, num_refiner_layers=1, mlp_ratio=2.0, patch_size=1, patch_size_t=1,
        text_embed_dim=16, text_embed_2_dim=16, image_embed_dim=12, rope_axes_dim=(2, 2, 4), target_size=16,
        task_type="t2v",
    )  # fmt: skip
    guider = ClassifierFreeGuidance(guidance_scale=4.0)
    parts = {"vae": decoder, "transformer": transformer, "guider": guider}
    pipe = quiet("HunyuanVideo15Pipeline", scheduler=flow(shift=7.0), **parts, **WITHOUT_TEXTS)

    def arguments(n: int) -> dict[str, Any]:
        given: dict[str, Any] = {"num_frames": 5}
        for negative, seed in (("", 5), ("negative_", 6)):
            for which in ("", "_2"):
                given[f"{negative}prompt_embeds{which}"] = repeated(rows(1, 7, 16, seed=seed), n)
                given[f"{negative}prompt_embeds_mask{which}"] = torch.ones(n, 7, dtype=torch.int64)
        return given

    return pipe, arguments


@maker
def animatediff() -> Made:
    """The U-Net of Stable Diffusion with layers between frames: latents of a video, an autoencoder of pictures."""
    from diffusers import DDIMScheduler, MotionAdapter, UNet2DConditionModel

    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        block_out_channels=(8, 8), layers_per_block=1, sample_size=8, cross_attention_dim=16, norm_num_groups=2,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=2,
    ).eval()  # fmt: skip
    motion = MotionAdapter(
        block_out_channels=(8, 8), motion_layers_per_block=1, motion_norm_num_groups=2, motion_num_attention_heads=2
    )
    pipe = quiet(
        "AnimateDiffPipeline", unet=unet, motion_adapter=motion, vae=vae(shift_factor=None),
        scheduler=DDIMScheduler(clip_sample=False), **WITHOUT_TEXT,
    )  # fmt: skip

    def arguments(n: int) -> dict[str, Any]:
        return both(n, 16) | {"guidance_scale": 4.0, "num_frames": 3}

    return pipe, arguments


@maker
def allegro() -> Made:
    from diffusers import AutoencoderKLAllegro, EulerAncestralDiscreteScheduler

    torch.manual_seed(1)
    decoder = AutoencoderKLAllegro(
        block_out_channels=(8, 8), latent_channels=4, layers_per_block=1, norm_num_groups=2,
        down_block_types=("AllegroDownBlock3D",) * 2, up_block_types=("AllegroUpBlock3D",) * 2,
        temporal_compression_ratio=4, temporal_downsample_blocks=(True, True), temporal_upsample_blocks=(True, True),
    ).eval()  # fmt: skip
    transformer = built(
        "AllegroTransformer3DModel", num_attention_heads=2, attention_head_dim=12, in_channels=4, out_channels=4,
        num_layers=1, cross_attention_dim=24, sample_width=8, sample_height=8, sample_frames=8, caption_channels=16,
    )  # fmt: skip
    scheduler = EulerAncestralDiscreteScheduler()
    pipe = quiet("AllegroPipeline", scheduler=scheduler, vae=decoder, transformer=transformer, **WITHOUT_TEXT)

    def arguments(n: int) -> dict[str, Any]:
        told = masked(n, 16) | {"guidance_scale": 4.0, "num_frames": 8, "negative_prompt": None}
        return told | {name: told[name].long() for name in told if name.endswith("mask")}

    return pipe, arguments


@maker
def latte() -> Made:
    from diffusers import DDIMScheduler

    transformer = built(
        "LatteTransformer3DModel", sample_size=8, num_layers=1, patch_size=2, attention_head_dim=8,
        num_attention_heads=3, caption_channels=16, in_channels=4, cross_attention_dim=24, out_channels=8,
        attention_bias=True, video_length=3, norm_type="ada_norm_single", norm_elementwise_affine=False, norm_eps=1e-6,
        activation_fn="gelu-approximate", num_embeds_ada_norm=1000,
    )  # fmt: skip
    parts = {"vae": vae(shift_factor=None), "transformer": transformer}
    pipe = quiet("LattePipeline", scheduler=DDIMScheduler(clip_sample=False), **parts, **WITHOUT_TEXT)

    def arguments(n: int) -> dict[str, Any]:
        told = both(n, 16) | {"negative_prompt": None, "guidance_scale": 4.0, "video_length": 3}
        return told | {"height": 16, "width": 16, "mask_feature": False}

    return pipe, arguments


@maker
def sana_video() -> Made:
    from diffusers import DPMSolverMultistepScheduler

    transformer = built(
        "SanaVideoTransformer3DModel", in_channels=4, out_channels=4, num_attention_heads=2, attention_head_dim=12,
        num_layers=1, num_cross_attention_heads=2, cross_attention_head_dim=12, cross_attention_dim=24,
        caption_channels=16, sample_size=8, patch_size=(1, 2, 2), rope_max_seq_len=64,
    )  # fmt: skip
    scheduler = DPMSolverMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0)
    parts = {"vae": video_vae("AutoencoderKLWan"), "transformer": transformer, "scheduler": scheduler}
    pipe = quiet("SanaVideoPipeline", **parts, **WITHOUT_TEXT)

    def arguments(n: int) -> dict[str, Any]:
        told = masked(n, 16) | {"negative_prompt": None, "guidance_scale": 4.0, "frames": 5}
        told |= {name: told[name].long() for name in told if name.endswith("mask")}
        return told | {"use_resolution_binning": False}

    return pipe, arguments


@maker
def motif_video() -> Made:
    from diffusers.guiders import ClassifierFreeGuidance

    transformer = built(
        "MotifVideoTransformer3DModel", in_channels=9, out_channels=4, num_attention_heads=2, attention_head_dim=12,
        num_layers=1, num_single_layers=1, patch_size=1, patch_size_t=1, text_embed_dim=16, rope_axes_dim=(4, 4, 4),
    )  # fmt: skip
    parts = {"vae": video_vae("AutoencoderKLWan"), "transformer": transformer}
    guider = ClassifierFreeGuidance(guidance_scale=4.0)
    pipe = quiet("MotifVideoPipeline", scheduler=flow(), guider=guider, feature_extractor=None, **parts, **WITHOUT_TEXT)

    def arguments(n: int) -> dict[str, Any]:
        return {"prompt": None} | masked(n, 16) | {"num_frames": 5}

    return pipe, arguments


@maker
def easyanimate() -> Made:
    from diffusers import AutoencoderKLMagvit

    torch.manual_seed(1)
    decoder = AutoencoderKLMagvit(
        block_out_channels=(8, 8), latent_channels=4, layers_per_block=1, norm_num_groups=2,
        down_block_types=("SpatialDownBlock3D", "SpatialTemporalDownBlock3D"),
        up_block_types=("SpatialUpBlock3D", "SpatialTemporalUpBlock3D"), spatial_group_norm=False,
    ).eval()  # fmt: skip
    transformer = built(
        "EasyAnimateTransformer3DModel", num_attention_heads=2, attention_head_dim=16, in_channels=4, out_channels=4,
        time_embed_dim=2, text_embed_dim=16, num_layers=1, sample_width=16, sample_height=16, patch_size=2,
    )  # fmt: skip
    pipe = quiet("EasyAnimatePipeline", scheduler=flow(), vae=decoder, transformer=transformer, **WITHOUT_TEXT)

    def arguments(n: int) -> dict[str, Any]:
        return masked(n, 16) | {"guidance_scale": 4.0, "num_frames": 5, "height": 32, "width": 64}

    return pipe, arguments


@maker
def anyflow() -> Made:
    """A map between any two levels: what the scheduler gets is a mean velocity."""
    from diffusers import FlowMapEulerDiscreteScheduler

    transformer = built(
        "AnyFlowTransformer3DModel", patch_size=(1, 2, 2), num_attention_heads=2, attention_head_dim=12,
        in_channels=4, out_channels=4, text_dim=16, freq_dim=16, ffn_dim=16, num_layers=1, cross_attn_norm=True,
        rope_max_seq_len=32, gate_value=0.25, deltatime_type="r",
    )  # fmt: skip
    parts = {"vae": video_vae("AutoencoderKLWan"), "transformer": transformer}
    pipe = quiet("AnyFlowPipeline", scheduler=FlowMapEulerDiscreteScheduler(shift=5.0), **parts, **WITHOUT_TEXT)

    def arguments(n: int) -> dict[str, Any]:
        return both(n, 16) | {"guidance_scale": 4.0, "num_frames": 5}

    return pipe, arguments
