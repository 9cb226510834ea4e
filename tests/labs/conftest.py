"""Models that several labs are tried on."""

import shutil
from pathlib import Path

import pytest

import denoisecli


@pytest.fixture(scope="session")
def distilled(tmp_path_factory):
    """The pocket model with a denoiser that takes the scale as an input, as latent consistency models do."""
    import torch
    from diffusers import UNet2DConditionModel

    pocket, folder = Path(denoisecli.__file__).parent / "pocket", tmp_path_factory.mktemp("lcm") / "model"
    shutil.copytree(pocket, folder, ignore=shutil.ignore_patterns("unet", "loras"))
    torch.manual_seed(0)
    UNet2DConditionModel(
        sample_size=32, block_out_channels=(16, 16), layers_per_block=1, cross_attention_dim=128, norm_num_groups=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        time_cond_proj_dim=8,
    ).save_pretrained(folder / "unet")  # fmt: skip
    return folder
