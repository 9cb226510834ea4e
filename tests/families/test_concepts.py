"""Concepts on a tiny pipeline of every family: what they read, what the picture reads, and what is made of it."""

import math

import numpy as np
import pytest
import torch

from denoisecli.diffusion.recorder import record
from denoisecli.errors import UsageError
from tests.families.folders import FOLDERS
from tests.families.full_attention import FullAttention, small
from tests.families.test_words import (
    CROSS,
    FILLED_UP,
    HALF,
    HEARD,
    PICTURE_FIRST,
    STEPS,
    UNCUT,
    N,
    half,
    hooks_on,
    paint,
)

PROMPT, OTHER = "a red cube", "a hot soup"  # letter for letter on the same tokens
pytestmark = pytest.mark.filterwarnings("ignore:`FluxPosEmbed` is deprecated:FutureWarning")


class Spy(FullAttention):
    """Every call of the kernel by its layer: (layer, scores, values)."""

    def __init__(self, pipe, patch):
        super().__init__(pipe, patch)
        self.calls = []

    def keep(self, layer, scores, values):
        self.calls.append((layer, scores, values))


@pytest.fixture(scope="module")
def heard():
    known = {}

    def of(name):
        if name not in known:
            pipe = small(name)
            plain, hooks, call = paint(pipe), hooks_on(pipe), type(pipe).__call__
            with pytest.MonkeyPatch.context() as patch:
                spy = Spy(pipe, patch)
                with record(pipe, words=[PROMPT], concepts=[PROMPT, OTHER]) as trace:
                    result = paint(pipe)
                for hook in spy.hooks:
                    hook.remove()
            assert hooks_on(pipe) == hooks
            assert type(pipe).__call__ is call
            known[name] = plain, result, trace, spy
        return known[name]

    return of


@pytest.mark.parametrize("name", FOLDERS)
def test_concepts_change_no_bit_of_the_picture(heard, name):
    plain, result, trace, _ = heard(name)
    assert torch.equal(plain, result)
    told = [(word["text"], word["concept"]) for word in trace.record["words"] if not word["negative"]]
    assert told == [(PROMPT, False), (PROMPT, True), (OTHER, True)]


def steps_of(name, trace, spy):
    """Yield each step's (layer, [the run's call, the prompt's as a concept, the other's]) in the layers' order."""
    pool = trace.record["words_pool"]
    calls = [call for call in spy.calls if call[0] in pool]
    passes = [calls[i : i + len(pool)] for i in range(0, len(calls), len(pool))]
    each = len(passes) // STEPS
    assert each in (3, 4)  # one evaluation of the run or two, and one a concept
    for step in range(STEPS):
        first = passes[step * each : step * each + 3]
        run, prompt, other = (first[2], *first[:2]) if name in CROSS else first
        yield [*zip(run, prompt, other, strict=True)]


def stands(name, total, trace):
    """Return where the picture stands in a joint layer, and the tokens of the prompt's letters."""
    size, (row,) = trace["words"].shape[-2:], [word for word in trace.record["words"] if word["tokens"]][:1]
    sides = size if name in UNCUT else (size[0] // 2, size[1] // 2)
    picture, fill = math.prod(sides), FILLED_UP.get(name, 1)
    stream = math.ceil(picture / fill) * fill
    first, start = (0, stream) if name in PICTURE_FIRST else (total - stream, 0)
    return slice(first, first + picture), [start + token for token in row["tokens"]], sides


def mapped(reads, sides, size):
    """Return the mean over layers, (rows, places) each, at the latents' size."""
    maps = (sum(reads) / len(reads)).reshape(N, 1, *sides)
    return torch.nn.functional.interpolate(maps, tuple(size), mode="bilinear")[:, 0].numpy()


@pytest.mark.parametrize("name", [name for name in HEARD if name not in CROSS])
def test_a_concept_reads_the_runs_picture_and_its_map_is_what_the_paper_reads(heard, name):
    """The prompt as a concept has the outputs that the prompt's own tokens had in the run."""
    _, _, trace, spy = heard(name)
    for step, layers in enumerate(steps_of(name, trace, spy)):
        reads = []
        for (_, scores, values), _, (_, own_scores, own_values) in layers:
            places, tokens, sides = stands(name, scores.shape[-1], trace)
            assert torch.equal(own_values[:, :, places], values[:, :, places])
            out, own = scores.softmax(-1) @ values, own_scores.softmax(-1) @ own_values
            _, rows = half(name, [None], False, len(out) > N)
            picture, prompt, other = (one[rows].transpose(1, 2).flatten(2) for one in (out, out, own))
            texts = torch.stack([prompt[:, tokens].mean(1), other[:, tokens].mean(1)], dim=1)
            reads.append((picture[:, places] @ texts.mT).softmax(-1))
        for number in (0, 1):
            wanted = mapped([read[..., number] for read in reads], sides, trace["words"].shape[-2:])
            np.testing.assert_allclose(trace["words"][:, step, 1 + number], wanted, **HALF)


@pytest.mark.parametrize("name", sorted(CROSS))
def test_a_concept_has_what_one_more_word_would_get_by_its_own_keys(heard, name):
    """The prompt as a concept has the keys that it has in the run."""
    _, _, trace, spy = heard(name)
    tokens = trace.record["words"][0]["tokens"]
    for step, layers in enumerate(steps_of(name, trace, spy)):
        for number in (0, 1):
            reads = []
            for (_, scores, _), *concepts in layers:
                _, rows = half(name, [None], False, len(scores) > N)
                own = (scores if number == 0 else concepts[1][1])[rows][..., tokens]
                whole = torch.cat([scores[rows], own], dim=-1).softmax(-1)
                reads.append(whole[..., -len(tokens) :].sum(-1).mean(1))
            _, _, sides = stands(name, 0, trace)
            wanted = mapped(reads, sides, trace["words"].shape[-2:])
            np.testing.assert_allclose(trace["words"][:, step, 1 + number], wanted, **HALF)


def recorded(pipe, told=None, **asked):
    with record(pipe, **asked) as trace:
        paint(pipe, **(told or {}))
    return trace


@pytest.fixture(scope="module")
def sd3():
    return small("sd3")


def test_one_concept_alone_stands_against_the_prompt(sd3):
    """The prompt itself, as a concept, is as alike as the prompt is: one half everywhere."""
    trace = recorded(sd3, concepts=[PROMPT])
    np.testing.assert_array_equal(trace["words"], np.float16(0.5))
    assert trace.record["words"][0]["by_outputs"]


def test_a_word_that_is_in_no_prompt_is_a_concept_and_does_not_depend_on_the_words(sd3):
    trace = recorded(sd3, words=["cube", "boat", "dog"])
    alone = recorded(sd3, concepts=["boat", "dog"])
    assert [word["text"] for word in trace.record["words"]] == ["cube", "boat", "dog"]
    assert sum("heard as concepts" in note for note in trace.record["notes"]) == 1
    np.testing.assert_array_equal(trace["words"][:, :, 1:], alone["words"])


def test_generators_draw_what_they_would_have_drawn_and_no_bar_is_shown(sd3, capfd):
    sd3.set_progress_bar_config(disable=False)
    try:
        before = torch.get_rng_state()
        recorded(sd3, concepts=["boat"], told={"generator": None})
        after = torch.get_rng_state()
        torch.set_rng_state(before)
        paint(sd3, generator=None)
        assert torch.equal(torch.get_rng_state(), after)
        assert "boat" not in capfd.readouterr().err
        assert not sd3._progress_bar_config["disable"]
    finally:
        sd3.set_progress_bar_config(disable=True)


def test_embeddings_and_concepts_go_together(sd3):
    embeds = dict(zip(EMBEDS, sd3.encode_prompt(PROMPT, PROMPT, PROMPT, negative_prompt="a cat"), strict=True))
    told = {"prompt": None, "negative_prompt": None, "num_images_per_prompt": 1}
    told |= {name: value.repeat(N, *[1] * (value.ndim - 1)) for name, value in embeds.items()}
    trace = recorded(sd3, told, words={"cube": [5, 6, 7, 8]}, concepts=["boat", "dog"])
    plain = recorded(sd3, concepts=["boat", "dog"])
    np.testing.assert_allclose(trace["words"][:, :, 1:], plain["words"], **HALF)


EMBEDS = ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        pytest.param({"words": ["cubes "], "concepts": ["  "]}, "has no word", id="no word"),
        pytest.param({"words": ["cubee"]}, 'Did you mean "cube"', id="nearly in the prompt"),
        pytest.param({"concepts": "boat"}, "not a list", id="one, no list"),
    ],
)
def test_what_is_no_concept_is_said(sd3, asked, said):
    kernel, call = torch.nn.functional.scaled_dot_product_attention, type(sd3).__call__
    with pytest.raises(UsageError) as error:
        recorded(sd3, **asked)
    assert said in f"{error.value} {error.value.hint}"
    assert torch.nn.functional.scaled_dot_product_attention is kernel
    assert type(sd3).__call__ is call


def test_a_denoiser_that_keeps_blocks_from_step_to_step_is_named():
    from diffusers import FirstBlockCacheConfig

    pipe = small("flux")
    pipe.transformer.enable_cache(FirstBlockCacheConfig(threshold=0.1))
    with pytest.raises(UsageError, match="cache") as error:
        recorded(pipe, concepts=["boat"])
    assert "pipe.transformer.disable_cache()" in error.value.hint
    pipe.transformer.disable_cache()
    assert recorded(pipe, concepts=["boat"])["words"].any()
