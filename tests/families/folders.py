"""Tiny pipelines with text encoders of their own, so that they take prompts and can be saved as a folder."""

from __future__ import annotations

from typing import Any

import torch

from tests.families import makers, video_makers
from tests.tiny import letter_tokenizer

CHAT = (
    "{% for message in messages %}[{{ message['role'] }}]{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}{{ part['text'] }}{% endfor %}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% if not enable_thinking %}[no thoughts]{% endif %}{% endif %}"
)


def bytes_tokenizer(length: int = 512, *, ends: bool = False) -> Any:
    """Return a tokenizer that knows bytes only, as a fast one of no family: T5's and Qwen's callers take it.

    ends: it puts a mark behind every text, as T5's, Gemma's and GLM's do.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate(["<pad>", "</s>", "<unk>", *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    if ends:
        tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    made = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=length
    )
    made.chat_template = CHAT
    return made


def clip(width: int, kind: str = "CLIPTextModel", length: int = 77) -> tuple[Any, Any]:
    import transformers
    from transformers import CLIPTextConfig

    torch.manual_seed(2)
    config = CLIPTextConfig(
        hidden_size=width, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, vocab_size=258,
        max_position_embeddings=length, bos_token_id=256, eos_token_id=257, pad_token_id=257,
        projection_dim=width,
    )  # fmt: skip
    return getattr(transformers, kind)(config).eval(), letter_tokenizer(length)


def t5(width: int, kind: str = "T5") -> tuple[Any, Any]:
    import transformers

    torch.manual_seed(3)
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=300, d_model=width, d_kv=8, d_ff=16, num_layers=1, num_heads=2
    )
    return getattr(transformers, f"{kind}EncoderModel")(config).eval(), bytes_tokenizer(ends=True)


def _decoder(width: int, layers: int, length: int = 1024) -> dict[str, Any]:
    """Return the sizes that the configs of language models share."""
    return {
        "vocab_size": 300, "hidden_size": width, "intermediate_size": 16, "num_hidden_layers": layers,
        "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 8, "max_position_embeddings": length,
        "pad_token_id": 0, "bos_token_id": None, "eos_token_id": 1,
    }  # fmt: skip


def language_model(kind: str, width: int, layers: int = 2, model: str = "Model", **more: Any) -> tuple[Any, Any]:
    """Return a language model by its name in transformers, and the tokenizer of bytes."""
    import transformers

    torch.manual_seed(4)
    config = getattr(transformers, f"{kind}Config")(**(_decoder(width, layers) | more))
    return getattr(transformers, f"{kind}{model}")(config).eval(), bytes_tokenizer(1024, ends=kind != "Qwen3")


def seeing_model(kind: str, width: int, layers: int = 2, model: str = "ForConditionalGeneration", **text: Any) -> Any:
    """Return a model that reads and sees, as Qwen-VL and Mistral 3 are, with next to nothing to see with."""
    import transformers

    torch.manual_seed(4)
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 1, 1]}
    vision = {
        "depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": width,
        "num_hidden_layers": 1, "num_attention_heads": 2, "fullatt_block_indexes": [], "deepstack_visual_indexes": [],
    }  # fmt: skip
    if kind == "Mistral3":
        rope = {"rope_type": "default", "rope_theta": 10000.0}
        vision = {"model_type": "pixtral", "head_dim": 8, "image_size": 28, "patch_size": 14, **{
            key: vision[key] for key in ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
        }}  # fmt: skip
        text = {"model_type": "mistral"} | text
    told = _decoder(width, layers) | {"rope_parameters": rope} | text
    config = getattr(transformers, f"{kind}Config")(text_config=told, vision_config=vision)
    return getattr(transformers, f"{kind}{model}")(config).eval(), bytes_tokenizer(1024)


def _with(made: tuple[Any, Any], *pairs: tuple[Any, Any]) -> Any:
    """Return a maker's pipeline with text encoders and their tokenizers."""
    pipe, parts = made[0], {}
    for number, (encoder, tokenizer) in enumerate(pairs, 1):
        end = "" if number == 1 else f"_{number}"
        parts |= {f"text_encoder{end}": encoder, f"tokenizer{end}": tokenizer}
    pipe.register_modules(**parts)
    return pipe


def flux(**transformer: Any) -> Any:
    return _with(makers.flux(**transformer), clip(32), t5(32))


def chroma() -> Any:
    return _with(makers.chroma(), t5(32))


def z_image() -> Any:
    return _with(makers.z_image(), language_model("Qwen3", 16, model="ForCausalLM"))


def flux2() -> Any:
    """Its encoder has as many layers as the pipeline asks for, by number."""
    return _with(makers.flux2(joint_attention_dim=48), seeing_model("Mistral3", 16, layers=30))


def flux2_klein(**options: Any) -> Any:
    made = makers.flux2_klein(joint_attention_dim=48, **options)
    return _with(made, language_model("Qwen3", 16, layers=27, model="ForCausalLM"))


def qwen_image() -> Any:
    return _with(makers.qwen_image(), seeing_model("Qwen2_5_VL", 16))


def krea2() -> Any:
    return _with(makers.krea2(), seeing_model("Qwen3VL", 16, model="Model"))


def ernie() -> Any:
    return _with(makers.ernie(), seeing_model("Mistral3", 16, model="Model"))


def lumina2() -> Any:
    return _with(makers.lumina2(), language_model("Gemma2", 16))


def sana() -> Any:
    return _with(makers.sana(), language_model("Gemma2", 16))


def sana_sprint() -> Any:
    return _with(makers.sana_sprint(), language_model("Gemma2", 16))


def pixart() -> Any:
    return _with(makers.pixart(), t5(16))


def sd3() -> Any:
    from tests.tiny import tiny_sd3

    pairs = [clip(32, "CLIPTextModelWithProjection") for _ in range(2)]
    return _with((tiny_sd3(), None), *pairs, t5(32))


def hidream() -> Any:
    pairs = [clip(8, "CLIPTextModelWithProjection", 248) for _ in range(2)]
    llama = language_model("Llama", 16, model="ForCausalLM", attn_implementation="eager")
    return _with(makers.hidream(), *pairs, t5(16), llama)


def auraflow() -> Any:
    return _with(makers.auraflow(), t5(16, "UMT5"))


def cogview4() -> Any:
    return _with(makers.cogview4(), language_model("Glm", 16))


def kandinsky5() -> Any:
    return _with(makers.kandinsky5(), seeing_model("Qwen2_5_VL", 16), clip(16))


def hunyuan_image() -> Any:
    return _with(makers.hunyuan_image(), seeing_model("Qwen2_5_VL", 16), t5(16))


def wan() -> Any:
    return _with(makers.wan(), t5(16, "UMT5"))


def ltx() -> Any:
    return _with(video_makers.ltx(), t5(16))


FOLDERS = {
    "sd3": sd3, "z-image": z_image, "flux": flux, "chroma": chroma, "flux2": flux2, "flux2-klein": flux2_klein,
    "qwen-image": qwen_image, "krea2": krea2, "ernie-image": ernie, "lumina2": lumina2, "sana": sana,
    "sana-sprint": sana_sprint, "pixart": pixart, "hidream": hidream, "auraflow": auraflow, "cogview4": cogview4,
    "kandinsky5": kandinsky5, "hunyuan-image": hunyuan_image, "wan": wan,
    "ltx": ltx,
}  # fmt: skip


def write_lora(pipe: Any, path: Any) -> None:
    """Write a random LoRA for the denoiser's attention; nothing for a pipeline that diffusers loads none onto."""
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    if not hasattr(pipe, "save_lora_weights"):
        return
    torch.manual_seed(9)
    targets = ["to_q", "to_v", "to_query", "to_value", "to_qkv_mlp_proj"]
    pipe.transformer.add_adapter(LoraConfig(r=4, lora_alpha=4, target_modules=targets, init_lora_weights=False))
    layers = get_peft_model_state_dict(pipe.transformer)
    pipe.save_lora_weights(path.parent, transformer_lora_layers=layers, weight_name=path.name)
    pipe.transformer.delete_adapters("default")
