"""Maps of words on a tiny pipeline of every family with text of its own: against the full matrix, bit for bit."""

import inspect
import math

import numpy as np
import pytest
import torch
from PIL import Image

from denoisecli.diffusion import call
from denoisecli.diffusion.prompts import words_of
from denoisecli.diffusion.recorder import record
from denoisecli.errors import UsageError
from tests.families import makers, video_makers
from tests.families.folders import FOLDERS
from tests.families.full_attention import FullAttention, small

HALF = {"rtol": 2**-10, "atol": 1e-5}  # float16 rounds at 2⁻¹¹ of a number
N, STEPS = 2, 2

CROSS = {"sana", "sana-sprint", "pixart", "kandinsky5", "wan"}
PICTURE_FIRST = {"sd3", "z-image", "ernie-image", "hidream", "hunyuan-image"}
FILLED_UP = {"z-image": 32}
UNCUT = {"sd3", "hunyuan-image", "sana", "sana-sprint"}  # the others cut patches of 2 x 2
TEXTS = {"prompt": "a red cube", "negative_prompt": "a cat"}

pytestmark = pytest.mark.filterwarnings("ignore:`FluxPosEmbed` is deprecated:FutureWarning")


HEARD = [name for name in FOLDERS if name != "ltx"]
"""Of LTX-Video's negative prompt no words are heard."""


def paint(pipe, **more):
    told = call.prompts(pipe, TEXTS["prompt"], TEXTS["negative_prompt"], N, guided=True)
    told |= call.scale(pipe, 4.0) | call.steps(pipe, STEPS)
    told |= {"height": 64, "width": 64, "num_inference_steps": STEPS, "output_type": "latent"}
    told["generator"] = [torch.Generator().manual_seed(seed) for seed in range(N)]
    return pipe(**call.known(pipe, told | more))[0]


class Spy(FullAttention):
    """What the encoders and the denoiser were given and gave, and every full matrix of attention by its layer."""

    def __init__(self, pipe, patch):
        super().__init__(pipe, patch)
        self.encoded, self.texts, self.matrices = [], [], []
        for name in ("text_encoder", "text_encoder_2", "text_encoder_3", "text_encoder_4"):
            if getattr(pipe, name, None) is not None:
                self.hooks.append(getattr(pipe, name).register_forward_hook(self.encode(name), with_kwargs=True))
        self.hooks.append(pipe.transformer.register_forward_pre_hook(self.evaluate, with_kwargs=True))

    def encode(self, name):
        def hook(_, args, told, out):
            ids = args[0] if args else told["input_ids"]
            states = [*(out.hidden_states or ()), out[0]] if hasattr(out, "hidden_states") else [out[0]]
            self.encoded.append((name, ids, [state.detach() for state in states if state is not None]))

        return hook

    def evaluate(self, _, args, told):
        given = [*args, *told.values()]
        flat = [part for one in given for part in (one if isinstance(one, list) else [one])]
        self.texts += [one for one in flat if isinstance(one, torch.Tensor) and one.is_floating_point()]

    def keep(self, layer, scores, values):
        self.matrices.append((layer, scores.softmax(-1).mean(1)))


def hooks_on(pipe):
    parts = [part for part in pipe.components.values() if isinstance(part, torch.nn.Module)]
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for part in parts for m in part.modules())


@pytest.fixture(scope="module")
def heard():
    known = {}

    def of(name):
        if name not in known:
            pipe = small(name)
            plain, hooks = paint(pipe), hooks_on(pipe)
            with pytest.MonkeyPatch.context() as patch:
                spy = Spy(pipe, patch)
                with record(pipe, words=True) as trace:
                    result = paint(pipe)
                for hook in spy.hooks:
                    hook.remove()
            assert hooks_on(pipe) == hooks
            known[name] = pipe, plain, result, trace, spy
        return known[name]

    return of


@pytest.mark.parametrize("name", HEARD)
def test_listening_changes_no_bit(heard, name):
    pipe, plain, result, trace, _ = heard(name)
    assert torch.equal(plain, result)
    negative = "eps_uncond" in trace and "negative_prompt" in inspect.signature(pipe.__call__).parameters
    words = [word["text"] for word in trace.record["words"]]
    assert words == (["red", "cube", "cat"] if negative else ["red", "cube"])


@pytest.mark.parametrize("name", HEARD)
def test_words_have_the_tokens_that_the_encoder_read_and_the_picture_reads(heard, name):
    """The vectors at a word's place in what the denoiser is given are those that the encoder gave for its letters."""
    pipe, _, _, trace, spy = heard(name)
    for word in trace.record["words"]:
        states = [state for states in letters(pipe, spy, word["text"]) for state in states]
        token = word["tokens"][0] - (8 if name == "auraflow" else 0)
        given = [text if text.ndim > 2 else text[None] for text in spy.texts if text.ndim > 1]
        found = [text[:, token].flatten(1) for text in given if text.shape[1] > token]
        assert any(holds(rows, state) for rows in found for state in states), word


def letters(pipe, spy, word):
    """Yield what the encoders gave, layer by layer, for the first letter of a word wherever they read it."""
    for encoder, ids, states in spy.encoded:
        tokenizer = words_of(getattr(pipe, encoder.replace("text_encoder", "tokenizer")))
        for row, tokens in enumerate(ids.tolist()):
            for place in range(len(tokens)):
                if tokenizer.decode(tokens[place : place + len(word)]).replace(" ", "") == word:
                    yield [state[row, place] for state in states if state.ndim == 3]


def holds(rows, state):
    """Return whether one of some vectors is a state, or has it in it, as stacked layers have."""
    width = state.shape[-1]
    parts = (row[at : at + width] for row in rows for at in range(0, row.shape[-1] - width + 1, width))
    return any(torch.allclose(part.float(), state.float(), atol=1e-5) for part in parts)


@pytest.mark.parametrize("name", HEARD)
def test_maps_are_those_of_the_full_matrix(heard, name):
    _, _, _, trace, spy = heard(name)
    size, pool = trace["words"].shape[-2:], trace.record["words_pool"]
    sides = size if name in UNCUT else (size[0] // 2, size[1] // 2)
    matrices = [matrix for layer, matrix in spy.matrices if layer in pool]
    evaluations = [matrices[i : i + len(pool)] for i in range(0, len(matrices), len(pool))]
    each = len(evaluations) // STEPS
    counts = {False: 0, True: 0}
    for word in trace.record["words"]:
        array = trace["negative_words" if word["negative"] else "words"][:, :, counts[word["negative"]]]
        counts[word["negative"]] += 1
        for step in range(STEPS):
            layers, rows = half(
                name, evaluations[step * each : (step + 1) * each], word["negative"], "eps_uncond" in trace
            )
            read = sum(columns(name, matrix[rows], word["tokens"], math.prod(sides)).sum(-1) for matrix in layers)
            maps = (read / len(pool)).reshape(N, 1, *sides)
            wanted = torch.nn.functional.interpolate(maps, tuple(size), mode="bilinear")[:, 0]
            np.testing.assert_allclose(array[:, step], wanted.numpy(), **HALF)


def columns(name, matrix, tokens, picture):
    """Return a matrix's rows of the picture and its columns of some text tokens, (rows, places, tokens)."""
    if name in CROSS:
        return matrix[:, :, tokens]
    stream = math.ceil(picture / FILLED_UP.get(name, 1)) * FILLED_UP.get(name, 1)
    text = matrix.shape[-1] - stream
    first, start = (0, stream) if name in PICTURE_FIRST else (text, 0)
    return matrix[:, first : first + picture][:, :, [start + token for token in tokens]]


def half(name, evaluations, negative, guided):
    """Return the layers that had a half's prompt, and its rows: cond first in two forwards, last in one batch."""
    if len(evaluations) == 2:
        return evaluations[negative], slice(0, N)
    last = guided and negative == (name == "z-image")
    return evaluations[0], slice(N, 2 * N) if last else slice(0, N)


def test_a_joint_family_that_nobody_knows_is_named():
    pipe = FOLDERS["sd3"]()
    pipe.__class__ = type("SomebodysPipeline", (type(pipe),), {})
    with pytest.raises(UsageError, match="SD3Transformer2DModel .* order"), record(pipe, words=True):
        paint(pipe)


@pytest.mark.parametrize(("name", "shape"), [("wan_video", (3, 16, 32)), ("ltx", (2, 16, 32))])
def test_words_of_a_film_have_frames(name, shape):
    pipe, arguments = (makers.MAKERS | video_makers.VIDEO)[name]()
    told = {"height": 32, "width": 64, "num_inference_steps": STEPS, "output_type": "latent", "return_dict": False}
    with record(pipe, words={"boat": [1, 2]}) as trace:
        pipe(**arguments(N), **told)
    assert trace["words"].shape == (N, STEPS, 1, *shape)
    assert 0 < trace["words"].min() <= trace["words"].max() < 1


def kontext(_):
    from diffusers import FluxKontextPipeline

    return FluxKontextPipeline(**FOLDERS["flux"]().components), {"_auto_resize": False, "max_area": 4096}


def flux2(_):
    return FOLDERS["flux2"](), {}


def qwen_edit(patch):
    from diffusers import QwenImageEditPipeline
    from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit

    patch.setattr(pipeline_qwenimage_edit, "calculate_dimensions", lambda *_: (64, 64, None))  # it reads 1024² else
    _, arguments = makers.MAKERS["qwen_image"]()
    told = {name: value for name, value in arguments(N).items() if name.startswith("prompt")}
    pipe = QwenImageEditPipeline(**FOLDERS["qwen-image"]().components, processor=None)
    return pipe, told | {"prompt": None, "negative_prompt": None, "num_images_per_prompt": 1, "true_cfg_scale": 1.0}


@pytest.mark.parametrize("make", [kontext, flux2, qwen_edit])
def test_pictures_that_are_read_are_no_places_of_the_one_that_is_made(make, monkeypatch):
    pipe, told = make(monkeypatch)
    pipe.set_progress_bar_config(disable=True)
    told["image"] = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    plain = paint(pipe, **told)
    spy = Spy(pipe, monkeypatch)
    with record(pipe, words={"cube": [2, 3]}) as trace:
        result = paint(pipe, **told)
    for hook in spy.hooks:
        hook.remove()
    assert torch.equal(plain, result)
    pool = trace.record["words_pool"]
    matrices = [matrix for layer, matrix in spy.matrices if layer in pool]
    assert len(matrices) == STEPS * len(pool)
    text = matrices[0].shape[-1] - 2 * 16**2  # the picture that is made, and the one that is read
    for step in range(STEPS):
        layers = matrices[step * len(pool) : (step + 1) * len(pool)]
        read = sum(matrix[:, text : text + 16**2, 2:4].sum(-1) for matrix in layers) / len(pool)
        wanted = torch.nn.functional.interpolate(read.reshape(N, 1, 16, 16), (32, 32), mode="bilinear")
        np.testing.assert_allclose(trace["words"][:, step], wanted.numpy(), **HALF)


def test_words_and_concepts_are_heard_where_a_picture_is_read_too(monkeypatch):
    pipe, told = kontext(monkeypatch)
    pipe.set_progress_bar_config(disable=True)
    told["image"] = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    plain = paint(pipe, **told)
    with record(pipe, words=True, concepts=["a red cube", "boat"]) as trace:
        result = paint(pipe, **told)
    assert torch.equal(plain, result)
    assert [word["text"] for word in trace.record["words"]] == ["red", "cube", "a red cube", "boat"]
    np.testing.assert_allclose(trace["words"][:, :, 2:].astype(float).sum(2), 1, atol=2e-3)


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile:UserWarning")
def test_a_backend_that_is_not_torchs_is_named_and_its_way_out_works():
    pipe = FOLDERS["flux"]()
    pipe.set_progress_bar_config(disable=True)
    pipe.transformer.set_attention_backend("flex")
    with pytest.raises(UsageError, match="attention backend flex") as error, record(pipe, words=True):
        paint(pipe)
    assert error.value.hint == 'Take it: pipe.transformer.set_attention_backend("native").'
    pipe.transformer.set_attention_backend("native")
    with record(pipe, words=True) as trace:
        paint(pipe)
    assert trace["words"].any()
