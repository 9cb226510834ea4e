"""Prompt editing: the words of each step, as A1111's own parser has them (its doctests among them), and back."""

import pytest

from denoisecli.interop.a1111.editing import Stage, edited, stages
from denoisecli.interop.a1111.read import read
from denoisecli.interop.a1111.write import infotext
from denoisecli.interop.gaps import a1111_losses
from denoisecli.interop.recipe import recipe, shot
from denoisecli.labs.sample.config import SampleConfig


@pytest.mark.parametrize(
    ("prompt", "steps", "expected"),
    [
        # the doctests of modules/prompt_parser.py, with 10 steps
        ("test", 10, [(10, "test")]),
        ("a [b:3]", 10, [(3, "a "), (10, "a b")]),
        ("a [b: 3]", 10, [(3, "a "), (10, "a b")]),
        ("a [[[b]]:2]", 10, [(2, "a "), (10, "a [[b]]")]),
        ("[(a:2):3]", 10, [(3, ""), (10, "(a:2)")]),
        ("a [b : c : 1] d", 10, [(1, "a b  d"), (10, "a  c  d")]),
        ("a[b:[c:d:2]:1]e", 10, [(1, "abe"), (2, "ace"), (10, "ade")]),
        ("a [unbalanced", 10, [(10, "a [unbalanced")]),
        ("a [b:.5] c", 10, [(5, "a  c"), (10, "a b c")]),
        ("a [{b|d{:.5] c", 10, [(1, "a {b c"), (2, "a d{:.5 c"), (3, "a {b c"), (4, "a d{:.5 c"), (5, "a {b c"),
                               (6, "a d{:.5 c"), (7, "a {b c"), (8, "a d{:.5 c"), (9, "a {b c"), (10, "a d{:.5 c")]),
        ("((a][:b:c [d:3]", 10, [(3, "((a][:b:c "), (10, "((a][:b:c d")]),
        ("[a|(b:1.1)]", 4, [(1, "a"), (2, "(b:1.1)"), (3, "a"), (4, "(b:1.1)")]),
        # and the ways of saying when
        ("[a:b:0.4]", 20, [(8, "a"), (20, "b")]),
        ("[a:b:8]", 20, [(8, "a"), (20, "b")]),
        ("[a::0.5] c", 10, [(5, "a c"), (10, " c")]),
        ("[a:b:0.4]", 1, [(1, "b")]),
        ("[a:b:99]", 10, [(10, "a")]),
        (r"\[a:b:0.4\]", 10, [(10, r"\[a:b:0.4\]")]),
    ],
)  # fmt: skip
def test_the_words_of_each_step(prompt, steps, expected):
    assert [(stage.end, stage.text) for stage in stages(prompt, steps)] == expected


@pytest.mark.parametrize(
    "texts",
    [
        [(4, "a cat on a hill"), (10, "a dog on a hill")],
        [(2, "a"), (5, "b"), (10, "c")],
        [(5, "a cat, oil"), (10, "a , oil")],
        [(10, "a cat")],
    ],
)
def test_stages_become_one_prompt_that_says_the_same(texts):
    found = [Stage(end, text) for end, text in texts]
    whole = edited(found)
    assert [(stage.end, stage.text) for stage in stages(whole, 10)] == texts


def test_words_that_would_be_read_as_editing_are_not_written():
    assert edited([Stage(4, "a: b"), Stage(10, "c")]) is None


def test_a_bomb_of_brackets_ends_at_once():
    assert stages("[" * 5000 + "a" + "]" * 5000, 2)
    assert stages("[a|" * 90 + "b" + "]" * 90, 3)
    assert stages("[a:" * 90 + "b" + ":0.5]" * 90, 3)


TEXT = """a [cat:dog:0.4] on a hill
Negative prompt: [blurry::0.5]
Steps: 10, Sampler: DDIM, CFG scale: 7, Seed: 3, Size: 256x256, Denoising strength: 0.6, RNG: CPU"""


def test_editing_becomes_phases_and_phases_become_editing():
    """There and back: the same settings, and A1111's count of steps at its strength."""
    found = read(TEXT)
    assert found.values["prompt"] == "a dog on a hill"
    assert found.values["phases"] == [
        {"until": 0.4, "prompt": "a cat on a hill", "negative_prompt": "blurry"},
        {"until": 0.5, "negative_prompt": "blurry"},
    ]
    assert found.elsewhere["start"]["strength"] == 0.7  # int(0.6 · 10) + 1 of 10 steps
    config = SampleConfig(**found.values, start={"image": "harbour.png", "strength": 0.7})
    made = recipe(config, [shot(config, 3, 7.0)], (256, 256), "", "leading")
    text = infotext(made, made.shots[0])
    assert text.startswith("a [cat:dog:4] on a hill\nNegative prompt: [blurry::5]\n")
    again = read(text)
    assert {key: again.values[key] for key in found.values} == found.values
    assert again.elsewhere["start"]["strength"] == 0.7


@pytest.mark.parametrize(
    ("phases", "said"),
    [
        ([{"until": 0.5, "prompt": "a: b"}], "has marks"),
        ([{"until": 0.5, "cfg": 3.0}, {"sampler": "euler"}], "Phases change cfg, sampler, which A1111's text"),
    ],
)
def test_what_a1111_cannot_be_told_is_said(phases, said):
    config = SampleConfig(phases=phases, prompt="a cat")
    made = recipe(config, [shot(config, 3, 7.0)], (256, 256), "", "leading")
    assert any(said in note for note in a1111_losses(made))
    assert infotext(made, made.shots[0]).startswith("a cat\n")
