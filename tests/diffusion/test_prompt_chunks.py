"""Weights and chunks of prompts: tokens and weights taken from ComfyUI 0.8.0, the arithmetic of both tools."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from denoisecli.diffusion.loading import clip_tokenizer
from denoisecli.diffusion.prompt_chunks import (
    Encoder,
    _encoded,
    _from_empty,
    _mean_kept,
    a1111_chunks,
    comfy_chunks,
    weighted,
)
from denoisecli.diffusion.prompt_syntax import Piece, parts_apart, pieces
from denoisecli.errors import UsageError

TAKEN = json.loads((Path(__file__).parent / "comfyui_tokens.json").read_text(encoding="utf-8"))
END = 49407


def reading(positions):
    """Return an encoder that reads so many tokens at once; only what cuts prompts is asked."""
    model = SimpleNamespace(config=SimpleNamespace(max_position_embeddings=positions))
    return Encoder(clip_tokenizer(), model, -1, normed=True)


@pytest.fixture(scope="module")
def encoder():
    return reading(77)


@pytest.mark.parametrize(("prompt", "chunks"), TAKEN, ids=[row[0][:30] for row in TAKEN])
def test_tokens_and_weights_are_comfyuis(encoder, prompt, chunks):
    found = comfy_chunks(encoder, pieces(prompt, "comfy"))
    assert all(len(chunk) == 77 for chunk in found)
    kept = [[(token, weight) for token, weight in chunk if token != END] for chunk in found]
    assert [[token for token, _ in chunk] for chunk in kept] == [[token for token, _ in chunk] for chunk in chunks]
    weights = [weight for chunk in kept for _, weight in chunk]
    assert weights == pytest.approx([weight for chunk in chunks for _, weight in chunk], abs=1e-6)


@pytest.mark.parametrize("cut", [comfy_chunks, a1111_chunks])
@pytest.mark.parametrize("prompt", ["", "a (mill:1.3) at dusk", "one two three four five six seven, " * 9])
def test_chunks_are_as_long_as_the_encoder_reads(cut, prompt):
    """The built-in model's reads 32 tokens, none less than three."""
    for positions in (3, 8, 32):
        chunks = cut(reading(positions), pieces(prompt, "a1111"))
        assert {len(chunk) for chunk in chunks} == {positions}
        kept = [token for chunk in chunks for token, _ in chunk if token < END - 1]
        assert kept == [token for piece in pieces(prompt, "a1111") for token in reading(77).ids(piece.text)]


@pytest.mark.parametrize(
    ("prompt", "found"),
    [  # the examples in the docstring of A1111's own parser
        ("normal text", [("normal text", 1.0)]),
        ("an (important) word", [("an ", 1.0), ("important", 1.1), (" word", 1.0)]),
        ("(unbalanced", [("unbalanced", 1.1)]),
        (r"\(literal\]", [("(literal]", 1.0)]),
        ("(unnecessary)(parens)", [("unnecessaryparens", 1.1)]),
        ("a [quiet] word", [("a ", 1.0), ("quiet", 1 / 1.1), (" word", 1.0)]),
        ("a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).", [
            ("a ", 1.0), ("house", 1.573), (" ", 1.1), ("on", 1.0), (" a ", 1.1), ("hill", 0.55), (", sun, ", 1.1),
            ("sky", 1.4641), (".", 1.1)]),
    ],
)  # fmt: skip
def test_a1111s_weights(prompt, found):
    made = pieces(prompt, "a1111")
    assert [piece.text for piece in made] == [text for text, _ in found]
    assert [piece.weight for piece in made] == pytest.approx([weight for _, weight in found], rel=1e-3)


@pytest.mark.parametrize(
    ("prompt", "parts"),
    [
        ("a cat AND a dog", ["a cat", "a dog"]),
        ("a cat:0.6 AND a dog :-.5 AND fog", ["a cat", "a dog", "fog"]),
        ("a cat and a dog:0.5", ["a cat and a dog:0.5"]),
        ("a BAND plays", ["a BAND plays"]),
        ("a AND_PERP b", ["a AND_PERP b"]),
    ],
)
def test_parts_that_are_guided_apart(prompt, parts):
    """A1111's modules/prompt_parser.py: get_multicond_prompt_list."""
    assert parts_apart(prompt) == parts
    assert [piece.text for piece in pieces(prompt, "a1111")] == parts
    assert [piece.breaks for piece in pieces(prompt, "a1111")] == [at > 0 for at in range(len(parts))]


def test_and_is_a_word_of_negative_prompts():
    assert pieces("fog AND rain", "a1111", negative=True) == [Piece("fog AND rain", 1.0)]


def test_a_prompt_of_too_many_pieces_is_refused(encoder):
    with pytest.raises(UsageError, match="has 267 pieces of 75 tokens; at most 200"):
        _encoded(encoder, pieces("cat " * 20_000, "comfy"), "comfy")


def test_break_begins_a_chunk(encoder):
    assert [piece.breaks for piece in pieces("a cat BREAK a dog", "a1111")] == [False, True]
    chunks = a1111_chunks(encoder, pieces("a cat BREAK a dog", "a1111"))
    assert [len([token for token, _ in chunk if token != END]) for chunk in chunks] == [3, 3]


def test_a_full_chunk_ends_at_its_comma(encoder):
    words = "one, " * 35 + "and then some more words of it"  # 70 tokens, then seven
    chunks = a1111_chunks(encoder, [Piece(words, 1.0)])
    assert len([token for token, _ in chunks[0] if token != END]) == 71  # start, 35 words, 35 commas
    assert len(chunks) == 2


def test_comfyui_moves_from_the_empty_prompt_and_a1111_keeps_the_mean():
    vectors, empty = torch.tensor([[[1.0, 3.0], [2.0, 4.0]]]), torch.tensor([[[1.0, 1.0], [1.0, 1.0]]])
    weights = torch.tensor([[[1.0], [2.0]]])
    part = SimpleNamespace(
        tokenizer=SimpleNamespace(bos_token_id=0, eos_token_id=1), padding=1, room=0, encode=lambda _: (empty, None)
    )
    assert _from_empty(part, vectors, weights).tolist() == [[[1.0, 3.0], [3.0, 7.0]]]
    kept = _mean_kept(part, vectors, weights)
    assert kept.mean() == pytest.approx(vectors.mean())
    assert (kept[0, 1] / kept[0, 0]).tolist() == pytest.approx([4.0, 8 / 3])


@pytest.fixture(scope="module")
def pocket():
    from denoisecli.diffusion.models import load_model

    return load_model("pocket")


LONG = "a stone tower on a hill in the fog with many small clouds and a river and a road and a field of flowers at dusk"


@pytest.mark.parametrize("syntax", ["comfy", "a1111"])
@pytest.mark.parametrize(("prompt", "strong"), [(LONG, 1.0), ("a (tower:1.3) on a hill", 1.3)], ids=["long", "weight"])
@torch.no_grad()
def test_vectors_are_those_of_the_plain_encoder(pocket, syntax, prompt, strong):
    """Chunks one behind the other, each encoded by itself; the vectors weighted as either tool does it."""
    tokenizer, encoder = pocket.pipe.tokenizer, pocket.pipe.text_encoder
    room = encoder.config.max_position_embeddings - 2

    def encode(tokens):
        chunk = [tokenizer.bos_token_id, *tokens, tokenizer.eos_token_id]
        chunk += [tokenizer.pad_token_id] * (room + 2 - len(chunk))
        return encoder(torch.tensor([chunk], device=pocket.device)).last_hidden_state

    tokens = tokenizer(prompt.replace("(", "").replace(":1.3)", ""), add_special_tokens=False).input_ids
    plain = torch.cat([encode(tokens[at : at + room]) for at in range(0, len(tokens), room)], dim=1)
    weights = torch.ones(1, plain.shape[1], 1)
    weights[0, 2] = strong  # behind the start and "a"; in the long prompt it is 1
    expected, empty = plain * weights, encode([])
    expected = expected * (plain.mean() / expected.mean())
    if syntax == "comfy" and strong != 1:
        expected = (plain - empty) * weights + empty
    (vectors, _), (negative, _) = weighted(pocket, [prompt, ""], syntax)
    torch.testing.assert_close(vectors, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(negative, empty.repeat(1, plain.shape[1] // (room + 2), 1), rtol=0, atol=0)
