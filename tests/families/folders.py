"""Tiny pipelines with text encoders of their own, so that they take prompts and can be saved as a folder."""

from __future__ import annotations

from typing import Any

import torch

from tests.families import makers
from tests.tiny import letter_tokenizer

CHAT = "{% for message in messages %}{{ message['content'] }}{% endfor %}"


def bytes_tokenizer(length: int = 512, **marks: str) -> Any:
    """Return a tokenizer that knows bytes only, as a fast one of no family: T5's and Qwen's callers take it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate(["<pad>", "</s>", "<unk>", *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    made = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=length
    )
    made.chat_template = CHAT
    return made


def clip(width: int) -> tuple[Any, Any]:
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(2)
    config = CLIPTextConfig(
        hidden_size=width, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, vocab_size=258,
        max_position_embeddings=77, bos_token_id=256, eos_token_id=257, pad_token_id=257,
    )  # fmt: skip
    return CLIPTextModel(config).eval(), letter_tokenizer(77)


def t5(width: int) -> tuple[Any, Any]:
    from transformers import T5Config, T5EncoderModel

    torch.manual_seed(3)
    config = T5Config(vocab_size=300, d_model=width, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    return T5EncoderModel(config).eval(), bytes_tokenizer()


def qwen3(width: int, layers: int = 2) -> tuple[Any, Any]:
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(4)
    config = Qwen3Config(
        vocab_size=300, hidden_size=width, intermediate_size=16, num_hidden_layers=layers, num_attention_heads=2,
        num_key_value_heads=1, head_dim=8, max_position_embeddings=1024,
    )  # fmt: skip
    return Qwen3ForCausalLM(config).eval(), bytes_tokenizer()


def flux(**transformer: Any) -> Any:
    pipe, _ = makers.flux(**transformer)
    (one, first), (two, second) = clip(32), t5(32)
    pipe.register_modules(text_encoder=one, tokenizer=first, text_encoder_2=two, tokenizer_2=second)
    return pipe


def chroma() -> Any:
    pipe, _ = makers.chroma()
    encoder, tokenizer = t5(32)
    pipe.register_modules(text_encoder=encoder, tokenizer=tokenizer)
    return pipe


def z_image() -> Any:
    pipe, _ = makers.z_image()
    encoder, tokenizer = qwen3(16)
    pipe.register_modules(text_encoder=encoder, tokenizer=tokenizer)
    return pipe


def pixart() -> Any:
    pipe, _ = makers.pixart()
    encoder, tokenizer = t5(16)
    pipe.register_modules(text_encoder=encoder, tokenizer=tokenizer)
    return pipe


def auraflow() -> Any:
    pipe, _ = makers.auraflow()
    encoder, tokenizer = t5(16)
    pipe.register_modules(text_encoder=encoder, tokenizer=tokenizer)
    return pipe


FOLDERS = {"flux": flux, "chroma": chroma, "z-image": z_image, "pixart": pixart, "auraflow": auraflow}
