"""The networks of the pocket model, untrained: autoencoder, text encoder, denoiser, noise schedule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from diffusers import AutoencoderTiny, DDIMScheduler, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import CLIPTokenizer

MAX_TOKENS = 32
TEXT_WIDTH = 128
LIMIT = 3.0  # AutoencoderTiny's decoder takes 3 · tanh(latents / 3)


@dataclass(frozen=True)
class Size:
    """How big the networks are; the smoke run of the tests uses a tiny one."""

    encoder_width: int = 48
    encoder_blocks: tuple[int, ...] = (1, 2, 3, 3)  # the encoder only works while training
    decoder_width: int = 32
    decoder_blocks: tuple[int, ...] = (8, 8, 3, 0)  # a block at 256² costs more than all the rest of a decode
    preview_blocks: tuple[int, ...] = (8, 3, 1, 0)  # of the small decoder that draws a run's states
    channels: tuple[int, ...] = (48, 96, 192)


POCKET = Size()
TINY = Size(16, (0, 1, 1, 1), 16, (1, 1, 1, 0), (1, 0, 1, 0), (16, 16, 32))
SIZES = {"pocket": POCKET, "tiny": TINY}


def build_autoencoder(size: Size = POCKET) -> AutoencoderTiny:
    """(3, 256, 256) in −1..1 to latents (4, 32, 32) of about unit variance, and back."""
    return AutoencoderTiny(
        encoder_block_out_channels=(size.encoder_width,) * 4,
        decoder_block_out_channels=(size.decoder_width,) * 4,
        num_encoder_blocks=size.encoder_blocks,
        num_decoder_blocks=size.decoder_blocks,
        scaling_factor=1.0,
        latent_channels=4,
    ).to(memory_format=torch.channels_last)


class Trunk(nn.Module):
    """A tiny autoencoder's decoder up to its first upsampling, or its last: latents (n, 4, h, w) to features."""

    def __init__(self, decoder: nn.Module, *, last: bool = False) -> None:
        super().__init__()
        layers = list(decoder.layers)
        cuts = [place for place, layer in enumerate(layers) if isinstance(layer, nn.Upsample)]
        self.layers = nn.Sequential(*layers[: cuts[-1 if last else 0]])

    def forward(self, latents: Tensor) -> Tensor:
        """Features before that upsampling."""
        return self.layers(LIMIT * torch.tanh(latents / LIMIT))


def build_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """A two-layer CLIP text model: token numbers (n, 32) to contexts (n, 32, 128)."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=TEXT_WIDTH,
            intermediate_size=3 * TEXT_WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=MAX_TOKENS,
            projection_dim=TEXT_WIDTH,
            hidden_act="quick_gelu",
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def build_denoiser(size: Size = POCKET) -> UNet2DConditionModel:
    """eps(x_t, t, context) on latents (n, 4, 32, 32); cross-attention on all levels but the first."""
    lower = len(size.channels) - 1
    unet = UNet2DConditionModel(
        sample_size=32,
        in_channels=4,
        out_channels=4,
        block_out_channels=size.channels,
        layers_per_block=1,
        down_block_types=("DownBlock2D", *["CrossAttnDownBlock2D"] * lower),
        up_block_types=(*["CrossAttnUpBlock2D"] * lower, "UpBlock2D"),
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=4,
        norm_num_groups=16,
        use_linear_projection=True,
    )
    torch.nn.init.zeros_(unet.conv_out.weight)  # the first prediction is eps = 0
    torch.nn.init.zeros_(unet.conv_out.bias)
    return unet.to(memory_format=torch.channels_last)


def build_scheduler() -> DDIMScheduler:
    """Stable Diffusion's schedule: 1,000 levels, betas linear in their square root, eps-prediction."""
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type="epsilon",
    )


def tokenize(tokenizer: CLIPTokenizer, captions: list[str]) -> Tensor:
    """Token numbers (n, 32), padded and cut."""
    batch = tokenizer(captions, padding="max_length", max_length=MAX_TOKENS, truncation=True, return_tensors="pt")
    return batch.input_ids
