"""Maps of words against the full attention matrix, computed once more from the layers' own projections."""

import numpy as np
import pytest
import torch

from denoisecli.diffusion import attention_shares
from denoisecli.diffusion.embeddings import encoded, stacked
from denoisecli.diffusion.followed import followed
from denoisecli.diffusion.models import load_model
from denoisecli.diffusion.recorder import record
from denoisecli.diffusion.word_maps import grid_of
from denoisecli.errors import UsageError
from denoisecli.process.words import found_at
from tests.tiny import embeds, noise, tiny_sd, tiny_sdxl, tiny_text_sd, tiny_text_sdxl

PROMPT = "a lighthouse on a rocky cliff at dusk, dramatic golden clouds"
STEPS = 3
HALF = {"rtol": 2**-10, "atol": 1e-5}  # float16 rounds at 2⁻¹¹ of a number


def generators(n=2):
    return [torch.Generator().manual_seed(seed) for seed in range(n)]


def paint(pipe, prompt=PROMPT, n=2, **more):
    told = {"num_inference_steps": STEPS, "guidance_scale": 5.0, "output_type": "latent", "generator": generators(n)}
    return pipe(prompt, num_images_per_prompt=n, height=64, width=96, **(told | more)).images


@pytest.fixture(scope="module")
def pocket():
    pipe = load_model("pocket", "cpu").pipe
    pipe.set_progress_bar_config(disable=True)
    return pipe


class Brute:
    """Every attn2's full matrix, from what its to_q and to_k returned, step by step."""

    def __init__(self, unet):
        self.found, self.hooks = [], []
        for name, layer in unet.named_modules():
            if name.endswith("attn2"):
                self.hooks += [layer.to_q.register_forward_hook(self.keep(layer, "q")),
                               layer.to_k.register_forward_hook(self.keep(layer, "k"))]  # fmt: skip
        self.held = {}

    def keep(self, layer, which):
        def hook(_, __, out):
            self.held[which] = out.double()
            if which == "k" and len(out) > 1:  # of the prompts, not of a concept
                q, k = (self.held[one].unflatten(-1, (layer.heads, -1)).transpose(1, 2) for one in "qk")
                self.found.append((layer, q, k))

        return hook

    def maps(self, tokens, size, rows, layers, more=None):
        """Return the mean of the layers at the latents' size, (row, step, token, h, w).

        more: vectors that are appended to the text; what their tokens get together is returned instead.
        """
        found, steps = list(self.found), []
        for start in range(0, len(found), layers):
            total = 0
            for layer, q, k in found[start : start + layers]:
                if more is not None:
                    own = layer.to_k(more).detach().double().unflatten(-1, (layer.heads, -1)).transpose(0, 1)
                    k = torch.cat([k, own.expand(len(k), -1, -1, -1)], dim=2)
                read = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1).mean(1)
                grid = grid_of(read.shape[1], size)
                chosen = read[..., tokens] if more is None else read[..., -len(more) :].sum(-1, keepdim=True)
                maps = chosen[rows].mT.unflatten(-1, grid)
                total = total + torch.nn.functional.interpolate(maps, size, mode="bilinear")
            steps.append(total / layers)
        return torch.stack(steps, dim=1).numpy()


@pytest.fixture
def brute(pocket):
    made = Brute(pocket.unet)
    yield made
    for hook in made.hooks:
        hook.remove()


@pytest.fixture(scope="module")
def read_before():
    model = load_model("pocket", "cpu")
    model.pipe.set_progress_bar_config(disable=True)
    brute = Brute(model.pipe.unet)
    yield model, brute
    for hook in brute.hooks:
        hook.remove()


def test_maps_are_those_of_the_full_matrix_and_the_picture_is_the_same(pocket, brute):
    negative = "a castle, night"
    plain = paint(pocket, negative_prompt=negative)
    brute.found.clear()
    with record(pocket, words=["lighthouse", "rocky cliff", "castle"]) as trace:
        heard = paint(pocket, negative_prompt=negative)
    assert torch.equal(plain, heard)
    size = tuple(trace.x_t.shape[-2:])
    tower, rock, cliff = np.moveaxis(brute.maps([2, 5, 6], size, slice(2, 4), 7), 2, 0)
    assert trace["words"].dtype == np.float16
    assert trace["words"].shape == (2, STEPS, 2, *size)
    np.testing.assert_allclose(trace["words"][:, :, 0], tower, **HALF)
    np.testing.assert_allclose(trace["words"][:, :, 1], rock + cliff, **HALF)
    np.testing.assert_allclose(trace["negative_words"], brute.maps([2], size, slice(0, 2), 7), **HALF)
    told = [(word["text"], word["tokens"], word["negative"]) for word in trace.record["words"]]
    assert told == [("lighthouse", [2], False), ("rocky cliff", [5, 6], False), ("castle", [2], True)]


def test_concepts_have_what_one_more_word_would_get_and_the_picture_reads_none(pocket, brute):
    plain = paint(pocket)
    brute.found.clear()
    with record(pocket, words=["castle", "lighthouse", "lamp"], concepts=["stone tower"]) as trace:
        heard = paint(pocket)
    assert torch.equal(plain, heard)
    told = [(word["text"], word["tokens"], word["concept"]) for word in trace.record["words"]]
    assert [text for text, _, concept in told if concept] == ["castle", "lamp", "stone tower"]
    assert told[0] == ("lighthouse", [2], False)
    told = "'castle' and 'lamp' are not in the prompt: they were heard as concepts, which nothing reads."
    assert [note for note in trace.record["notes"] if "not in the prompt" in note] == [told]
    ids = pocket.tokenizer("stone tower", padding="max_length", return_tensors="pt").input_ids
    vectors = pocket.text_encoder(ids)[0][0, 1:3].detach()
    size = tuple(trace.x_t.shape[-2:])
    maps = brute.maps([0], size, slice(2, 4), 7, more=vectors)
    np.testing.assert_allclose(trace["words"][:, :, 3], maps[:, :, 0], **HALF)


@pytest.mark.parametrize(
    ("prompt", "syntax", "clip_skip", "tokens"),
    [
        pytest.param("a (lighthouse:1.3) on a [rocky] cliff", "a1111", 1, [[2, 34], [5, 37], [6, 38]], id="weights"),
        pytest.param("a lighthouse BREAK on a rocky (cliff)", "a1111", 2, [[2], [32 + 3], [32 + 4]], id="chunks"),
        pytest.param("(a (lighthouse:1.3)) on a rocky cliff", "comfy", 1, [[2], [5], [6]], id="comfy"),
        pytest.param("a lighthouse on a rocky cliff", "plain", 2, [[2], [5], [6]], id="an earlier layer"),
    ],
)
def test_words_are_followed_in_prompts_that_are_read_before_the_pipeline_reads_them(
    read_before, prompt, syntax, clip_skip, tokens
):
    model, brute = read_before
    texts = (prompt, "a castle BREAK night" if syntax == "a1111" else "a castle, night")
    embeds = stacked([encoded(model, *texts, syntax, clip_skip)] * 2)
    listened = followed(model, ["lighthouse", "rocky", "cliff", "castle", "boat"], texts, syntax, clip_skip)
    told = {"num_inference_steps": STEPS, "guidance_scale": 5.0, "output_type": "latent", "height": 64, "width": 96}
    plain = model.pipe(**embeds, **told, generator=generators()).images
    brute.found.clear()
    with record(model.pipe, words=listened) as trace:
        heard = model.pipe(**embeds, **told, generator=generators()).images
    assert torch.equal(plain, heard)
    told = [(word["text"], word["concept"], word["negative"]) for word in trace.record["words"]]
    assert told == [
        ("lighthouse", False, False), ("rocky", False, False), ("cliff", False, False), ("boat", True, False),
        ("castle", False, True),
    ]  # fmt: skip
    assert [word["tokens"] for word in trace.record["words"][:3]] == tokens
    size = tuple(trace.x_t.shape[-2:])
    for number, own in enumerate(tokens):
        wanted = brute.maps(own, size, slice(2, 4), 7).sum(2)
        np.testing.assert_allclose(trace["words"][:, :, number], wanted, **HALF)
    (castle,) = (word["tokens"] for word in trace.record["words"] if word["negative"])
    wanted = brute.maps(castle, size, slice(0, 2), 7).sum(2)
    np.testing.assert_allclose(trace["negative_words"][:, :, 0], wanted, **HALF)


def test_an_earlier_layer_is_that_of_the_prompt_in_chunks(read_before):
    """diffusers' clip_skip, which leaves the negative prompt alone, and ours take one layer of the prompt."""
    model, _ = read_before
    plain, chunked = (encoded(model, "a lighthouse", "fog", syntax, 2) for syntax in ("plain", "comfy"))
    torch.testing.assert_close(plain["prompt_embeds"], chunked["prompt_embeds"])
    assert not hasattr(model.pipe.text_encoder, "text_model")
    last = encoded(model, "a lighthouse", "fog")["prompt_embeds"]
    assert not torch.allclose(last, plain["prompt_embeds"], atol=1e-2)


def test_a_pipeline_that_starts_from_a_picture_is_heard_from_there_on(read_before):
    from diffusers import StableDiffusionImg2ImgPipeline

    model, _ = read_before
    parts = {name: part for name, part in model.pipe.components.items() if name != "image_encoder"}
    pipe = StableDiffusionImg2ImgPipeline(**parts, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    picture = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with record(pipe, words=["lighthouse"]) as trace:
        pipe("a lighthouse", image=picture, strength=0.5, num_inference_steps=4, output_type="latent")
    assert trace["words"].shape[:3] == (1, 2, 1)


def test_a_shorter_prompt_that_is_repeated_has_the_tokens_of_every_turn(read_before):
    model, _ = read_before
    prompts = followed(model, True, ("a castle", "night BREAK a castle"), "comfy", 1).prompts
    assert [word.tokens for word in prompts[0].meaningful()] == [(2,)]  # to ComfyUI BREAK is a word
    prompts = followed(model, True, ("a castle BREAK night", "night BREAK a castle BREAK night"), "a1111", 1).prompts
    first, second = (prompt.meaningful() for prompt in prompts)
    assert [word.tokens for word in first] == [(2, 2 + 64, 2 + 128), (33, 33 + 64, 33 + 128)]
    assert [word.tokens for word in second] == [(1, 1 + 96), (34, 34 + 96), (65, 65 + 96)]


def test_concepts_alone_are_heard_without_words(pocket):
    with record(pocket, concepts=["boat"]) as trace:
        paint(pocket, "")
    assert [word["text"] for word in trace.record["words"]] == ["boat"]
    np.testing.assert_allclose(np.add(*(trace.record["words_rest"][key] for key in ("share", "other"))), 1, atol=1e-3)


def test_all_shares_sum_to_one(pocket):
    with record(pocket, words=True) as trace:
        paint(pocket)
    rest = trace.record["words_rest"]
    shares = [*(word["share"] for word in trace.record["words"]), rest["share"], rest["other"]]
    np.testing.assert_allclose(np.sum(shares, axis=0), 1, atol=1e-3)
    texts = [word["text"] for word in trace.record["words"]]
    assert texts == ["lighthouse", "rocky", "cliff", "dusk", "dramatic", "golden", "clouds"]


def test_the_record_says_when_words_found_their_places_and_judges_concepts_apart(pocket):
    with record(pocket, words=True, concepts=["boat"]) as trace:
        paint(pocket)
    found = [word["found_at"] for word in trace.record["words"]]
    maps = trace["words"]
    assert found == [*found_at(maps[:, :, :-1]), *found_at(maps[:, :, -1:])]
    assert all(len(states) == 2 for states in found)


@pytest.mark.parametrize("make", [tiny_sd, tiny_sdxl], ids=["sd", "sdxl"])
def test_every_unet_is_heard_bit_for_bit_also_by_the_numbers_of_tokens(make):
    pipe, brute = make(), None
    told = {"num_inference_steps": STEPS, "latents": noise(2), "height": 16, "width": 16, "output_type": "latent"}
    plain = pipe(**embeds(pipe, 2), **told).images
    brute = Brute(pipe.unet)
    with record(pipe, words={"boat": [1, 4]}) as trace:
        heard = pipe(**embeds(pipe, 2), **told).images
    assert torch.equal(plain, heard)
    layers = len(brute.found) // STEPS
    wanted = brute.maps([1, 4], (8, 8), slice(2, 4), layers).sum(axis=2, keepdims=True)
    np.testing.assert_allclose(trace["words"], wanted, **HALF)


@pytest.mark.parametrize("make", [tiny_text_sd, tiny_text_sdxl], ids=["sd", "sdxl"])
def test_words_in_pieces_have_all_their_tokens(make):
    pipe = make()
    with record(pipe, words=True) as trace:
        pipe("a cat, a cat", num_inference_steps=1, height=16, width=16, output_type="latent")
    told = [(word["text"], word["occurrence"], word["tokens"]) for word in trace.record["words"]]
    assert told == [("cat", 0, [2, 3, 4]), ("cat", 1, [7, 8, 9])]


def test_chunks_change_nothing(pocket, monkeypatch):
    def maps():
        with record(pocket, words=["lighthouse"]) as trace:
            paint(pocket, n=1)
        return trace["words"]

    whole = maps()
    monkeypatch.setattr(attention_shares, "CHUNK", 1 << 10)
    np.testing.assert_allclose(maps(), whole, rtol=2**-10)


def test_rows_that_were_not_evaluated_read_no_negative_word(pocket):
    from denoisecli.diffusion.guidance import StepScales

    scales = [StepScales((1.0, 1.0, 5.0)), StepScales((5.0, 5.0, 1.0))]
    with record(pocket, words=True, scales=scales) as trace:
        paint(pocket, negative_prompt="castle")
    with record(pocket, words=True) as plain:
        paint(pocket, negative_prompt="castle")
    heard = trace["negative_words"].any(axis=(2, 3, 4))
    assert heard.tolist() == [[True, False, True], [True, True, False]]  # a first step is shared, not left out
    np.testing.assert_allclose(trace["words"][1, :2], plain["words"][1, :2], rtol=2**-9, atol=1e-5)


def test_taps_come_off_also_after_an_exception(pocket):
    kernel = torch.nn.functional.scaled_dot_product_attention
    with pytest.raises(RuntimeError, match="enough"), record(pocket, words=True):
        paint(pocket, callback_on_step_end=lambda *_: (_ for _ in ()).throw(RuntimeError("enough")))
    assert torch.nn.functional.scaled_dot_product_attention is kernel
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in pocket.unet.modules())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in pocket.text_encoder.modules())


def test_layers_by_name_are_pooled_alone(pocket):
    with record(pocket, words=["lighthouse"], pool=["up_blocks.1"]) as trace:
        paint(pocket)
    assert trace.record["words_pool"] == [f"up_blocks.1.attentions.{i}.transformer_blocks.0.attn2" for i in (0, 1)]


@pytest.mark.parametrize(
    ("options", "prompt", "said"),
    [
        pytest.param({"words": ["lighthous"]}, PROMPT, 'Did you mean "lighthouse"', id="nearly"),
        pytest.param({"words": "lighthouse"}, PROMPT, "not a list", id="one word, no list"),
        pytest.param({"words": True}, "", "empty", id="an empty prompt"),
        pytest.param({"words": ["clouds"]}, "stone " * 40 + "clouds", "behind the end", id="cut off"),
        pytest.param({"words": True, "max_map_bytes": 1000}, PROMPT, "max_map_bytes", id="too much"),
        pytest.param({"words": True, "pool": ["nowhere"]}, PROMPT, "no attention layer", id="no such layer"),
        pytest.param({"words": True, "pool": "most"}, PROMPT, "not \"mean\"", id="no such pool"),
        pytest.param({"words": True}, ["a castle", "a cottage"], "different prompts", id="two prompts"),
    ],
)  # fmt: skip
def test_what_cannot_be_heard_is_said(pocket, options, prompt, said):
    n = 1 if isinstance(prompt, list) else 2
    with pytest.raises(UsageError) as error, record(pocket, **options):
        paint(pocket, prompt, n=n, generator=None)
    assert said in f"{error.value} {error.value.hint}"


def test_a_compiled_denoiser_and_a_kernel_of_another_kind_are_named():
    from diffusers.models.attention_processor import AttnProcessor, AttnProcessor2_0

    pipe = tiny_text_sd()

    def heard():
        with record(pipe, words=True) as trace:
            pipe("cat", num_inference_steps=1, height=16, width=16, output_type="latent")
        return trace["words"].any()

    pipe.unet.set_attn_processor(AttnProcessor())
    with pytest.raises(UsageError, match="processors: AttnProcessor") as error:
        heard()
    assert error.value.hint == "Take it: pipe.unet.set_attn_processor(AttnProcessor2_0())."
    pipe.unet.set_attn_processor(AttnProcessor2_0())
    assert heard()
    pipe.enable_attention_slicing()
    with pytest.raises(UsageError, match="SlicedAttnProcessor") as error:
        heard()
    assert error.value.hint == "Take it: pipe.disable_attention_slicing()."
    pipe.disable_attention_slicing()
    assert heard()
    pipe.unet.mid_block._compiled_call_impl = print
    with pytest.raises(UsageError, match="compiled"), record(pipe, words=True):
        pass


@pytest.mark.parametrize(
    ("places", "size", "grid"),
    [
        pytest.param(64 * 96, (64, 96), (64, 96), id="each latent pixel"),
        pytest.param(16 * 24, (64, 96), (16, 24), id="a quarter"),
        pytest.param(5 * 7, (9, 13), (5, 7), id="odd sides round up"),
        pytest.param(3 * 4 * 8, (3, 8, 16), (3, 4, 8), id="frames"),
        pytest.param(100, (64, 96), None, id="text alone"),
    ],
)  # fmt: skip
def test_places_lie_on_the_latents_grid(places, size, grid):
    assert grid_of(places, size) == grid
