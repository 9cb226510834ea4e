"""LoRA files for the tests."""

from __future__ import annotations

import json

import pytest

from tests.lora.made import kohya_tensors, renamed, save


@pytest.fixture
def kohya(tmp_path):
    return save(kohya_tensors(), tmp_path / "kohya.safetensors", {"ss_network_dim": "8", "ss_network_alpha": "4.0",
                "ss_output_name": "style", "sshs_model_hash": "f00"})  # fmt: skip


@pytest.fixture
def peft(tmp_path):
    config = {
        "unet.r": 8,
        "unet.lora_alpha": 16,
        "unet.rank_pattern": {},
        "unet.alpha_pattern": {"mid_block.attentions.0.transformer_blocks.0.attn2.to_k": 8},
    }
    return save(
        renamed(kohya_tensors(), "peft"), tmp_path / "peft.safetensors", {"lora_adapter_metadata": json.dumps(config)}
    )
