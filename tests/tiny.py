"""Tiny random pipelines, built from config: the architectures of Stable Diffusion without its weights.

They have no tokenizers, so they are called with `prompt_embeds` (`embeds(pipe, n)`). Nothing here asks the network.
"""

from __future__ import annotations

from typing import Any

import torch

BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


def tiny_sd(scheduler: str = "DDIMScheduler", **options: Any) -> Any:
    """Return a Stable Diffusion 1.x-type pipeline: latents (4, 8, 8), pictures of 16 × 16 pixels."""
    from diffusers import StableDiffusionPipeline, UNet2DConditionModel

    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        block_out_channels=(4, 8),
        layers_per_block=1,
        sample_size=8,
        in_channels=4,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=8,
        norm_num_groups=2,
        attention_head_dim=2,
    )
    return _quiet(
        StableDiffusionPipeline(
            vae=tiny_vae(),
            text_encoder=None,
            tokenizer=None,
            unet=unet.eval(),
            scheduler=make_scheduler(scheduler, **options),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    )


def tiny_sdxl(scheduler: str = "EulerDiscreteScheduler", **options: Any) -> Any:
    """Return an SDXL-type pipeline: latents (4, 8, 8), added text and time embeddings."""
    from diffusers import StableDiffusionXLPipeline, UNet2DConditionModel

    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        block_out_channels=(2, 4),
        layers_per_block=1,
        sample_size=8,
        in_channels=4,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(2, 4),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        transformer_layers_per_block=(1, 2),
        projection_class_embeddings_input_dim=80,
        cross_attention_dim=64,
        norm_num_groups=1,
    )
    return _quiet(
        StableDiffusionXLPipeline(
            vae=tiny_vae(),
            text_encoder=None,
            text_encoder_2=None,
            tokenizer=None,
            tokenizer_2=None,
            unet=unet.eval(),
            scheduler=make_scheduler(scheduler, **options),
            add_watermarker=False,
        )
    )


def tiny_sd3(**options: Any) -> Any:
    """Return a Stable Diffusion 3-type pipeline: a transformer under rectified flow, latents (4, 8, 8)."""
    from diffusers import SD3Transformer2DModel, StableDiffusion3Pipeline

    torch.manual_seed(0)
    transformer = SD3Transformer2DModel(
        sample_size=8,
        patch_size=1,
        in_channels=4,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=4,
        joint_attention_dim=32,
        caption_projection_dim=32,
        pooled_projection_dim=64,
        out_channels=4,
    )
    names = ("text_encoder", "text_encoder_2", "text_encoder_3", "tokenizer", "tokenizer_2", "tokenizer_3")
    return _quiet(
        StableDiffusion3Pipeline(
            transformer=transformer.eval(),
            scheduler=make_scheduler("FlowMatchEulerDiscreteScheduler", **options),
            vae=tiny_vae(),
            **dict.fromkeys(names),
        )
    )


def tiny_text_sd() -> Any:
    """Return the Stable Diffusion 1.x-type pipeline with a tiny CLIP of its own: it takes prompts, and can be saved."""
    from transformers import CLIPTextConfig, CLIPTextModel

    pipe = tiny_sd()
    torch.manual_seed(2)
    config = CLIPTextConfig(
        hidden_size=8,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        vocab_size=258,
        max_position_embeddings=16,
        bos_token_id=256,
        eos_token_id=257,
        pad_token_id=257,
    )
    pipe.register_modules(text_encoder=CLIPTextModel(config).eval(), tokenizer=letter_tokenizer(16))
    return pipe


def tiny_distilled_sd() -> Any:
    """Return `tiny_text_sd` with a denoiser that is told the guidance scale, as latent consistency models are."""
    from diffusers import UNet2DConditionModel

    pipe = tiny_text_sd()
    torch.manual_seed(0)
    pipe.register_modules(unet=UNet2DConditionModel.from_config(pipe.unet.config, time_cond_proj_dim=8).eval())
    return pipe


def tiny_text_sdxl(*, zeros: bool = True) -> Any:
    """Return `tiny_sdxl` with text encoders. zeros: it takes zeros for the embeddings of no negative prompt."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    pipe, parts = tiny_sdxl(), {}
    for number, kind, name in ((0, CLIPTextModel, "text_encoder"), (1, CLIPTextModelWithProjection, "text_encoder_2")):
        torch.manual_seed(number)
        config = CLIPTextConfig(
            hidden_size=32, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2, vocab_size=258,
            max_position_embeddings=16, bos_token_id=256, eos_token_id=257, pad_token_id=257, projection_dim=32,
        )  # fmt: skip
        parts |= {name: kind(config).eval(), name.replace("text_encoder", "tokenizer"): letter_tokenizer(16)}
    pipe.register_modules(**parts)
    pipe.register_to_config(force_zeros_for_empty_prompt=zeros)
    return pipe


def letter_tokenizer(length: int) -> Any:
    """Return a CLIP tokenizer that knows letters only: one token for each letter, word by word."""
    import json
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from transformers import CLIPTokenizer

    letters = [chr(code) for code in range(33, 162)]
    tokens = [*letters[:128], *(f"{letter}</w>" for letter in letters[:128]), "<|startoftext|>", "<|endoftext|>"]
    with TemporaryDirectory() as folder:
        vocabulary = {token: i for i, token in enumerate(tokens)}
        (Path(folder) / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
        (Path(folder) / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
        return CLIPTokenizer.from_pretrained(folder, model_max_length=length, local_files_only=True)


def tiny_vae() -> Any:
    """Return an AutoencoderKL of factor 2 with random weights."""
    from diffusers import AutoencoderKL

    torch.manual_seed(1)
    return AutoencoderKL(
        block_out_channels=[4, 8],
        in_channels=3,
        out_channels=3,
        down_block_types=["DownEncoderBlock2D"] * 2,
        up_block_types=["UpDecoderBlock2D"] * 2,
        latent_channels=4,
        norm_num_groups=2,
    ).eval()


def make_scheduler(name: str, **options: Any) -> Any:
    """Return a scheduler with Stable Diffusion's betas and the options that fit its class."""
    import inspect

    import diffusers

    cls = getattr(diffusers, name)
    known = inspect.signature(cls.__init__).parameters
    common = BETAS | {"steps_offset": 1, "timestep_spacing": "leading", "clip_sample": False, "skip_prk_steps": True}
    if "Ancestral" not in name and not name.startswith(("DDPM", "Euler", "Heun", "LMS", "KDPM2")):
        common["set_alpha_to_one"] = False
    return cls(**{key: value for key, value in (common | options).items() if key in known})


def embeds(pipe: Any, n: int = 1, seed: int = 5) -> dict[str, torch.Tensor]:
    """Return random prompt embeddings, positive and negative, in the shapes that the pipeline's denoiser takes."""
    generator = torch.Generator().manual_seed(seed)
    kind = type(pipe).__name__
    width = {"StableDiffusionPipeline": 8, "StableDiffusionXLPipeline": 64, "StableDiffusion3Pipeline": 32}[kind]
    pooled = {"StableDiffusionXLPipeline": 32, "StableDiffusion3Pipeline": 64}.get(kind)
    names = {"prompt_embeds": (7, width), "negative_prompt_embeds": (7, width)}
    if pooled:
        names |= {"pooled_prompt_embeds": (pooled,), "negative_pooled_prompt_embeds": (pooled,)}
    return {
        name: torch.randn(1, *shape, generator=generator).repeat(n, *[1] * len(shape)) for name, shape in names.items()
    }


def noise(n: int = 1, seed: int = 3) -> torch.Tensor:
    """Return unit normal latents, (n, 4, 8, 8)."""
    return torch.randn(n, 4, 8, 8, generator=torch.Generator().manual_seed(seed))


def _quiet(pipe: Any) -> Any:
    pipe.set_progress_bar_config(disable=True)
    return pipe
