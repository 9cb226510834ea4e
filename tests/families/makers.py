"""Tiny random pipelines of many families, from config alone: one function each. Called with prompt embeddings.

Each maker returns (pipe, arguments): `arguments(n)` are those of a call of n samples, guided where the family is.
Latents are a few cells wide; factors of the autoencoders are 2 unless a pipeline wants 8.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

Made = tuple[Any, Callable[[int], dict[str, Any]]]
MAKERS: dict[str, Callable[..., Made]] = {}


def maker(make: Callable[..., Made]) -> Callable[..., Made]:
    MAKERS[make.__name__] = make
    return make


def rows(*shape: int, seed: int = 5) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def repeated(tensor: torch.Tensor, n: int) -> torch.Tensor:
    return tensor.repeat(n, *[1] * (tensor.ndim - 1))


def flow(**options: Any) -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler

    return FlowMatchEulerDiscreteScheduler(**options)


def vae(channels: int = 4, blocks: int = 2, **options: Any) -> Any:
    from diffusers import AutoencoderKL

    torch.manual_seed(1)
    return AutoencoderKL(
        block_out_channels=[4] * blocks,
        down_block_types=["DownEncoderBlock2D"] * blocks,
        up_block_types=["UpDecoderBlock2D"] * blocks,
        latent_channels=channels,
        norm_num_groups=2,
        layers_per_block=1,
        use_quant_conv=False,
        use_post_quant_conv=False,
        **({"scaling_factor": 0.36, "shift_factor": 0.12} | options),
    ).eval()


def flux2_vae(channels: int = 4) -> Any:
    from diffusers import AutoencoderKLFlux2

    torch.manual_seed(1)
    made = AutoencoderKLFlux2(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(4, 4),
        layers_per_block=1,
        latent_channels=channels,
        norm_num_groups=2,
        use_quant_conv=False,
        use_post_quant_conv=False,
    ).eval()
    made.bn.running_mean.copy_(rows(4 * channels, seed=8) / 10)
    made.bn.running_var.copy_(1 + rows(4 * channels, seed=9).abs())
    return made


def video_vae(kind: str, channels: int = 4) -> Any:
    import diffusers

    torch.manual_seed(1)
    return getattr(diffusers, kind)(
        base_dim=8,
        z_dim=channels,
        dim_mult=[1, 1],
        num_res_blocks=1,
        temperal_downsample=[kind == "AutoencoderKLWan"],
        latents_mean=[0.1 * i for i in range(channels)],
        latents_std=[1.0 + 0.1 * i for i in range(channels)],
        **({"scale_factor_spatial": 2, "scale_factor_temporal": 2} if kind == "AutoencoderKLWan" else {}),
    ).eval()


def built(name: str, **config: Any) -> Any:
    import diffusers

    torch.manual_seed(0)
    module = getattr(diffusers, name)(**config).eval()
    for parameter in module.parameters():  # zero-initialised last layers would predict nothing
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.02)
    return module


def quiet(name: str, **parts: Any) -> Any:
    import diffusers

    pipe = getattr(diffusers, name)(**parts)
    pipe.set_progress_bar_config(disable=True)
    return pipe


WITHOUT_TEXT = {"text_encoder": None, "tokenizer": None}
WITHOUT_TEXTS = WITHOUT_TEXT | {"text_encoder_2": None, "tokenizer_2": None}


@maker
def z_image(**transformer: Any) -> Made:
    config = {
        "in_channels": 4, "dim": 32, "n_layers": 1, "n_refiner_layers": 1, "n_heads": 2, "n_kv_heads": 2,
        "cap_feat_dim": 16, "axes_dims": [8, 4, 4], "axes_lens": [256, 32, 32],
    }  # fmt: skip
    pipe = quiet(
        "ZImagePipeline",
        scheduler=flow(use_dynamic_shifting=True),
        vae=vae(),
        transformer=built("ZImageTransformer2DModel", **(config | transformer)),
        **WITHOUT_TEXT,
    )

    def arguments(n: int) -> dict[str, Any]:
        cond, uncond = [rows(7, 16)] * n, [rows(5, 16, seed=6)] * n
        return {"prompt_embeds": cond, "negative_prompt_embeds": uncond, "guidance_scale": 4.0}

    return pipe, arguments


def _flux(**config: Any) -> Any:
    return built(
        "FluxTransformer2DModel",
        **({
            "patch_size": 1, "in_channels": 16, "num_layers": 1, "num_single_layers": 1, "attention_head_dim": 16,
            "num_attention_heads": 2, "joint_attention_dim": 32, "pooled_projection_dim": 32,
            "axes_dims_rope": [4, 4, 8], "guidance_embeds": True,
        } | config),
    )  # fmt: skip


@maker
def flux(**transformer: Any) -> Made:
    pipe = quiet(
        "FluxPipeline",
        scheduler=flow(use_dynamic_shifting=True),
        vae=vae(),
        transformer=_flux(**transformer),
        **WITHOUT_TEXTS,
    )

    def arguments(n: int) -> dict[str, Any]:
        return {
            "prompt_embeds": repeated(rows(1, 7, 32), n),
            "pooled_prompt_embeds": repeated(rows(1, 32), n),
            "guidance_scale": 3.5,
        }

    return pipe, arguments


@maker
def flux_true_cfg() -> Made:
    pipe, plain = flux()

    def arguments(n: int) -> dict[str, Any]:
        return plain(n) | {
            "negative_prompt_embeds": repeated(rows(1, 7, 32, seed=6), n),
            "negative_pooled_prompt_embeds": repeated(rows(1, 32, seed=6), n),
            "true_cfg_scale": 4.0,
        }

    return pipe, arguments


@maker
def chroma() -> Made:
    pipe = quiet(
        "ChromaPipeline",
        scheduler=flow(),
        vae=vae(),
        transformer=built(
            "ChromaTransformer2DModel", in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16,
            num_attention_heads=2, joint_attention_dim=32, axes_dims_rope=[4, 4, 8], approximator_num_channels=8,
            approximator_hidden_dim=16, approximator_layers=1,
        ),
        **WITHOUT_TEXT,
    )  # fmt: skip

    def arguments(n: int) -> dict[str, Any]:
        return {
            "prompt_embeds": repeated(rows(1, 7, 32), n),
            "negative_prompt_embeds": repeated(rows(1, 7, 32, seed=6), n),
            "prompt_attention_mask": torch.ones(n, 7, dtype=torch.bool),
            "negative_prompt_attention_mask": torch.ones(n, 7, dtype=torch.bool),
            "guidance_scale": 4.0,
        }

    return pipe, arguments


def _flux2(**config: Any) -> Any:
    return built(
        "Flux2Transformer2DModel",
        **({
            "in_channels": 16, "num_layers": 1, "num_single_layers": 1, "attention_head_dim": 16,
            "num_attention_heads": 2, "joint_attention_dim": 32, "timestep_guidance_channels": 16,
            "axes_dims_rope": (4, 4, 4, 4),
        } | config),
    )  # fmt: skip


@maker
def flux2(**transformer: Any) -> Made:
    pipe = quiet(
        "Flux2Pipeline",
        scheduler=flow(use_dynamic_shifting=True),
        vae=flux2_vae(),
        transformer=_flux2(**transformer),
        **WITHOUT_TEXT,
    )

    def arguments(n: int) -> dict[str, Any]:
        return {"prompt_embeds": repeated(rows(1, 7, 32), n), "guidance_scale": 4.0}

    return pipe, arguments


@maker
def flux2_klein(*, joint_attention_dim: int = 32, **options: Any) -> Made:
    transformer = _flux2(guidance_embeds=False, joint_attention_dim=joint_attention_dim)
    parts = {"vae": flux2_vae(), "transformer": transformer}
    pipe = quiet("Flux2KleinPipeline", scheduler=flow(use_dynamic_shifting=True), **parts, **WITHOUT_TEXT, **options)

    def arguments(n: int) -> dict[str, Any]:
        return {
            "prompt_embeds": repeated(rows(1, 7, 32), n),
            "negative_prompt_embeds": repeated(rows(1, 7, 32, seed=6), n),
            "guidance_scale": 4.0,
        }

    return pipe, arguments


@maker
def flux2_klein_distilled() -> Made:
    return flux2_klein(is_distilled=True)


@maker
def qwen_image() -> Made:
    transformer = built(
        "QwenImageTransformer2DModel", in_channels=16, out_channels=4, num_layers=1, attention_head_dim=16,
        num_attention_heads=2, joint_attention_dim=16, axes_dims_rope=(8, 4, 4),
    )  # fmt: skip
    parts = {"vae": video_vae("AutoencoderKLQwenImage"), "transformer": transformer}
    pipe = quiet("QwenImagePipeline", scheduler=flow(use_dynamic_shifting=True), **parts, **WITHOUT_TEXT)

    def arguments(n: int) -> dict[str, Any]:
        return {
            "prompt_embeds": repeated(rows(1, 7, 16), n),
            "prompt_embeds_mask": torch.ones(n, 7, dtype=torch.int64),
            "negative_prompt_embeds": repeated(rows(1, 7, 16, seed=6), n),
            "negative_prompt_embeds_mask": torch.ones(n, 7, dtype=torch.int64),
            "true_cfg_scale": 4.0,
        }

    return pipe, arguments


@maker
def krea2() -> Made:
    transformer = built(
        "Krea2Transformer2DModel", in_channels=16, num_layers=1, attention_head_dim=16, num_attention_heads=2,
        num_key_value_heads=1, intermediate_size=32, timestep_embed_dim=16, text_hidden_dim=16, num_text_layers=2,
        text_num_attention_heads=2, text_num_key_value_heads=2, text_intermediate_size=16,
        num_layerwise_text_blocks=1, num_refiner_text_blocks=1, axes_dims_rope=(8, 4, 4),
    )  # fmt: skip
    parts = {"vae": video_vae("AutoencoderKLQwenImage"), "transformer": transformer}
    options = {"text_encoder_select_layers": (1, 2)}
    pipe = quiet("Krea2Pipeline", scheduler=flow(use_dynamic_shifting=True), **parts, **WITHOUT_TEXT, **options)

    def arguments(n: int) -> dict[str, Any]:
        return {
            "prompt_embeds": repeated(rows(1, 7, 2, 16), n),
            "prompt_embeds_mask": torch.ones(n, 7, dtype=torch.bool),
            "negative_prompt_embeds": repeated(rows(1, 7, 2, 16, seed=6), n),
            "negative_prompt_embeds_mask": torch.ones(n, 7, dtype=torch.bool),
            "guidance_scale": 3.0,
        }

    return pipe, arguments


@maker
def ernie() -> Made:
    transformer = built(
        "ErnieImageTransformer2DModel", hidden_size=32, num_attention_heads=2, num_layers=1, ffn_hidden_size=32,
        in_channels=16, out_channels=16, text_in_dim=16, rope_axes_dim=(8, 4, 4),
    )  # fmt: skip
    pipe = quiet("ErnieImagePipeline", transformer=transformer, vae=flux2_vae(), scheduler=flow(), **WITHOUT_TEXT)

    def arguments(n: int) -> dict[str, Any]:
        return {
            "prompt_embeds": [rows(7, 16)] * n,
            "negative_prompt_embeds": [rows(5, 16, seed=6)] * n,
            "guidance_scale": 4.0,
        }

    return pipe, arguments


@maker
def lumina2() -> Made:
    transformer = built(
        "Lumina2Transformer2DModel", sample_size=8, in_channels=4, hidden_size=32, num_layers=1,
        num_refiner_layers=1, num_attention_heads=2, num_kv_heads=1, multiple_of=8, axes_dim_rope=(8, 4, 4),
        axes_lens=(300, 64, 64), cap_feat_dim=16,
    )  # fmt: skip
    pipe = quiet("Lumina2Pipeline", transformer=transformer, scheduler=flow(), vae=vae(blocks=4), **WITHOUT_TEXT)

    def arguments(n: int) -> dict[str, Any]:
        return {
            "prompt_embeds": repeated(rows(1, 7, 16), n),
            "negative_prompt_embeds": repeated(rows(1, 7, 16, seed=6), n),
            "prompt_attention_mask": torch.ones(n, 7, dtype=torch.int64),
            "negative_prompt_attention_mask": torch.ones(n, 7, dtype=torch.int64),
            "guidance_scale": 4.0,
        }

    return pipe, arguments


def dc_vae(channels: int = 4) -> Any:
    from diffusers import AutoencoderDC

    torch.manual_seed(1)
    return AutoencoderDC(
        latent_channels=channels, attention_head_dim=2, encoder_block_types=("ResBlock",) * 2,
        decoder_block_types=("ResBlock",) * 2, encoder_block_out_channels=(8, 8), decoder_block_out_channels=(8, 8),
        encoder_layers_per_block=(1, 1), decoder_layers_per_block=(1, 1), encoder_qkv_multiscales=((), ()),
        decoder_qkv_multiscales=((), ()), scaling_factor=0.41,
    ).eval()  # fmt: skip


def _sana(**config: Any) -> Any:
    return built(
        "SanaTransformer2DModel", in_channels=4, out_channels=4, num_attention_heads=2, attention_head_dim=8,
        num_layers=1, num_cross_attention_heads=2, cross_attention_head_dim=8, cross_attention_dim=16,
        caption_channels=16, sample_size=8, **config,
    )  # fmt: skip


def _sana_text(n: int) -> dict[str, Any]:
    return {
        "prompt_embeds": repeated(rows(1, 7, 16), n),
        "prompt_attention_mask": torch.ones(n, 7, dtype=torch.int64),
        "use_resolution_binning": False,
    }


@maker
def sana() -> Made:
    from diffusers import DPMSolverMultistepScheduler

    scheduler = DPMSolverMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0)
    pipe = quiet("SanaPipeline", vae=dc_vae(), transformer=_sana(), scheduler=scheduler, **WITHOUT_TEXT)

    def arguments(n: int) -> dict[str, Any]:
        negative = {
            "negative_prompt": None,
            "negative_prompt_embeds": repeated(rows(1, 7, 16, seed=6), n),
            "negative_prompt_attention_mask": torch.ones(n, 7, dtype=torch.int64),
        }
        return _sana_text(n) | negative | {"guidance_scale": 4.0}

    return pipe, arguments


@maker
def sana_sprint() -> Made:
    from diffusers import SCMScheduler

    transformer = _sana(guidance_embeds=True, qk_norm="rms_norm_across_heads")
    pipe = quiet("SanaSprintPipeline", vae=dc_vae(), transformer=transformer, scheduler=SCMScheduler(), **WITHOUT_TEXT)

    def arguments(n: int) -> dict[str, Any]:
        return _sana_text(n) | {"guidance_scale": 4.0, "intermediate_timesteps": None}

    return pipe, arguments


@maker
def pixart() -> Made:
    from diffusers import DPMSolverMultistepScheduler

    transformer = built(
        "PixArtTransformer2DModel", sample_size=8, num_layers=1, num_attention_heads=2, attention_head_dim=8,
        cross_attention_dim=16, caption_channels=16, in_channels=4, out_channels=8, use_additional_conditions=False,
    )  # fmt: skip
    pipe = quiet(
        "PixArtAlphaPipeline",
        vae=vae(),
        transformer=transformer,
        scheduler=DPMSolverMultistepScheduler(),
        **WITHOUT_TEXT,
    )

    def arguments(n: int) -> dict[str, Any]:
        negative = {
            "negative_prompt": None,
            "negative_prompt_embeds": repeated(rows(1, 7, 16, seed=6), n),
            "negative_prompt_attention_mask": torch.ones(n, 7, dtype=torch.int64),
        }
        return _sana_text(n) | negative | {"guidance_scale": 4.0}

    return pipe, arguments


@maker
def auraflow() -> Made:
    transformer = built(
        "AuraFlowTransformer2DModel", sample_size=8, in_channels=4, num_mmdit_layers=1, num_single_dit_layers=1,
        attention_head_dim=8, num_attention_heads=2, joint_attention_dim=16, caption_projection_dim=16,
        pos_embed_max_size=256,
    )  # fmt: skip
    pipe = quiet(
        "AuraFlowPipeline", vae=vae(shift_factor=None), transformer=transformer, scheduler=flow(), **WITHOUT_TEXT
    )

    def arguments(n: int) -> dict[str, Any]:
        return {
            "prompt_embeds": repeated(rows(1, 7, 16), n),
            "prompt_attention_mask": torch.ones(n, 7),
            "negative_prompt_embeds": repeated(rows(1, 7, 16, seed=6), n),
            "negative_prompt_attention_mask": torch.ones(n, 7),
            "guidance_scale": 4.0,
        }

    return pipe, arguments


@maker
def cogview4() -> Made:
    transformer = built(
        "CogView4Transformer2DModel", in_channels=4, out_channels=4, num_layers=1, attention_head_dim=8,
        num_attention_heads=2, text_embed_dim=16, time_embed_dim=8, condition_dim=4, sample_size=8,
        rope_axes_dim=(8, 8),
    )  # fmt: skip
    pipe = quiet(
        "CogView4Pipeline",
        vae=vae(shift_factor=None),
        transformer=transformer,
        scheduler=flow(use_dynamic_shifting=True),
        **WITHOUT_TEXT,
    )

    def arguments(n: int) -> dict[str, Any]:
        return {
            "prompt_embeds": repeated(rows(1, 16, 16), n),
            "negative_prompt_embeds": repeated(rows(1, 16, 16, seed=6), n),
            "guidance_scale": 4.0,
        }

    return pipe, arguments


@maker
def kandinsky5() -> Made:
    transformer = built(
        "Kandinsky5Transformer3DModel", in_visual_dim=4, out_visual_dim=4, in_text_dim=16, in_text_dim2=16,
        time_dim=16, model_dim=32, ff_dim=32, num_text_blocks=1, num_visual_blocks=1, axes_dims=(8, 4, 4),
    )  # fmt: skip
    pipe = quiet("Kandinsky5T2IPipeline", vae=vae(blocks=4), transformer=transformer, scheduler=flow(), **WITHOUT_TEXTS)
    pipe.resolutions = [(16, 32), (64, 64)]

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
        }

    return pipe, arguments


@maker
def hidream() -> Made:
    transformer = built(
        "HiDreamImageTransformer2DModel", patch_size=2, in_channels=4, out_channels=4, num_layers=1,
        num_single_layers=1, attention_head_dim=16, num_attention_heads=2, caption_channels=[16, 16],
        text_emb_dim=16, num_routed_experts=2, num_activated_experts=1, axes_dims_rope=(8, 4, 4),
        max_resolution=(16, 16), llama_layers=(0, 1), force_inference_output=True,
    )  # fmt: skip
    texts = {f"{part}{i}": None for part in ("text_encoder", "tokenizer") for i in ("", "_2", "_3", "_4")}
    pipe = quiet("HiDreamImagePipeline", vae=vae(), transformer=transformer, scheduler=flow(), **texts)
    pipe.default_sample_size = 12  # it paints at this area, whatever size is asked for

    def arguments(n: int) -> dict[str, Any]:
        return {
            "prompt_embeds_t5": repeated(rows(1, 7, 16), n),
            "prompt_embeds_llama3": rows(2, 1, 7, 16).repeat(1, n, 1, 1),
            "pooled_prompt_embeds": repeated(rows(1, 16), n),
            "negative_prompt_embeds_t5": repeated(rows(1, 7, 16, seed=6), n),
            "negative_prompt_embeds_llama3": rows(2, 1, 7, 16, seed=6).repeat(1, n, 1, 1),
            "negative_pooled_prompt_embeds": repeated(rows(1, 16, seed=6), n),
            "guidance_scale": 4.0,
        }

    return pipe, arguments


def _wan(seed: int = 0) -> Any:
    return built(
        "WanTransformer3DModel", num_attention_heads=2, attention_head_dim=12, in_channels=4, out_channels=4,
        text_dim=16, freq_dim=16, ffn_dim=16, num_layers=1, rope_max_seq_len=32,
    )  # fmt: skip


@maker
def wan(frames: int = 1, **options: Any) -> Made:
    from diffusers import UniPCMultistepScheduler

    scheduler = UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0)
    parts = {"vae": video_vae("AutoencoderKLWan"), "scheduler": scheduler, "transformer": _wan()}
    pipe = quiet("WanPipeline", **parts, **WITHOUT_TEXT, **options)

    def arguments(n: int) -> dict[str, Any]:
        return {
            "prompt_embeds": repeated(rows(1, 7, 16), n),
            "negative_prompt_embeds": repeated(rows(1, 7, 16, seed=6), n),
            "guidance_scale": 4.0,
            "num_frames": frames,
        }

    return pipe, arguments


@maker
def wan_two_denoisers() -> Made:
    return wan(transformer_2=_wan(), boundary_ratio=0.8)


@maker
def wan_video() -> Made:
    return wan(frames=5)


@maker
def hunyuan_image() -> Made:
    from diffusers import AutoencoderKLHunyuanImage
    from diffusers.guiders import ClassifierFreeGuidance

    torch.manual_seed(1)
    decoder = AutoencoderKLHunyuanImage(
        in_channels=3, out_channels=3, latent_channels=4, block_out_channels=(32, 32), layers_per_block=1,
        spatial_compression_ratio=2, sample_size=16, scaling_factor=0.75,
    ).eval()  # fmt: skip
    transformer = built(
        "HunyuanImageTransformer2DModel", in_channels=4, out_channels=4, num_attention_heads=2,
        attention_head_dim=16, num_layers=1, num_single_layers=1, num_refiner_layers=1, patch_size=(1, 1),
        text_embed_dim=16, text_embed_2_dim=16, rope_axes_dim=(8, 8),
    )  # fmt: skip
    guider = ClassifierFreeGuidance(guidance_scale=4.0)
    parts = {"vae": decoder, "transformer": transformer, "guider": guider, "ocr_guider": guider}
    pipe = quiet("HunyuanImagePipeline", scheduler=flow(), **parts, **WITHOUT_TEXTS)

    def arguments(n: int) -> dict[str, Any]:
        given: dict[str, Any] = {}
        for negative, seed in (("", 5), ("negative_", 6)):
            for which in ("", "_2"):
                given[f"{negative}prompt_embeds{which}"] = repeated(rows(1, 7, 16, seed=seed), n)
                given[f"{negative}prompt_embeds_mask{which}"] = torch.ones(n, 7, dtype=torch.int64)
        return given

    return pipe, arguments
