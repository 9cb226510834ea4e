"""What the built-in model makes of a prompt that is not in the form of its captions."""

import pytest
import torch

from denoisecli.diffusion.models import load_model

CAPTION = "a lighthouse on a rocky cliff at dusk, dramatic golden clouds, crashing waves, oil painting"
OTHER = "a castle on a grassy hill at night, dark storm clouds, calm sea, pixel art"
T = (901, 801, 601)


@pytest.fixture(scope="module")
def pipe():
    return load_model("pocket").pipe


def encoded(pipe, prompt):
    return pipe.encode_prompt(prompt, "cpu", 1, do_classifier_free_guidance=False)[0]


@torch.inference_mode()
def far(pipe, prompt, caption=CAPTION):
    """How far the guesses of a prompt lie from the caption's, as a share of how far those without words do."""
    noise = torch.randn(len(T), 4, 32, 32, generator=torch.Generator().manual_seed(5))
    contexts = (encoded(pipe, text).expand(len(T), -1, -1) for text in (prompt, caption, ""))
    found, right, without = (pipe.unet(noise, torch.tensor(T), context).sample for context in contexts)
    return float((found - right).norm() / (without - right).norm())


@pytest.mark.parametrize(
    ("prompt", "read_as"),
    [
        ("The fortress on a sandy dune at sunset, fluffy white clouds, rough waves, watercolour",
         "a castle on a sand dune at dusk, soft white clouds, crashing waves, watercolor"),
        ("a house in the evening with quiet water", "a cottage at a dusk , calm sea"),
        ("An islet by midnight and a beacon, pixelated art", "a island on night , a lighthouse, pixel art"),
    ],
)  # fmt: skip
def test_synonyms_are_the_word_that_they_are_read_as(pipe, prompt, read_as):
    assert torch.equal(encoded(pipe, prompt), encoded(pipe, read_as))


@pytest.mark.parametrize(
    "prompt",
    [
        "oil painting, crashing waves, dramatic golden clouds, a lighthouse on a rocky cliff at dusk",
        "oil painting of a lighthouse on a rocky cliff at dusk with dramatic golden clouds and crashing waves",
        "dramatic golden clouds over crashing waves, dusk, a rocky cliff with a lighthouse, an oil painting",
        "at sunset, a beacon near the cliff, golden clouds, waves, oil painting",
    ],
)
def test_the_order_of_phrases_hardly_matters(pipe, prompt):
    assert far(pipe, prompt) < 0.5 < far(pipe, OTHER)
