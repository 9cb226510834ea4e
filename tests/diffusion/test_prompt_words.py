"""Words out of tokens, whatever the tokenizer: CLIP's, byte-level BPE, SentencePiece."""

import pytest

from denoisecli.diffusion.prompt_words import absent, asked_for, prompt_of, read_back
from denoisecli.diffusion.references import POCKET
from denoisecli.errors import UsageError
from tests.families.folders import bytes_tokenizer


def sentencepiece_tokenizer():
    """Return a tokenizer as T5's and Gemma's: ▁ before a word, bytes for what it does not know."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    pieces = ["<pad>", "</s>", "<unk>", "▁red", "▁cub", "es", "▁", ",", "▁a", "b", "▁blue", "灯", "塔", "的"]
    pieces += [f"<0x{byte:02X}>" for byte in range(256)]
    vocabulary = [(piece, -float(len(piece) < 2)) for piece in pieces]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=2, byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>")


def clip_tokenizer():
    from transformers import CLIPTokenizer

    return CLIPTokenizer.from_pretrained(POCKET / "tokenizer")


TOKENIZERS = {"clip": clip_tokenizer, "bytes": bytes_tokenizer, "sentencepiece": sentencepiece_tokenizer}


@pytest.fixture(scope="module")
def tokenizers():
    return {name: make() for name, make in TOKENIZERS.items()}


def read(tokenizer, prompt, given=None, **options):
    ids = tokenizer(prompt if given is None else given, verbose=False, **options).input_ids
    return prompt_of(prompt, read_back(tokenizer, ids))


def spelled_out(tokenizer, prompt, word):
    ids = tokenizer(prompt).input_ids
    return "".join(tokenizer.decode([ids[token] for token in word.tokens]).casefold().split())


@pytest.mark.parametrize("kind", TOKENIZERS)
@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        pytest.param("Red cubes, blue cubes!", ["Red", "cubes", "blue", "cubes"], id="case, plurals, twice"),
        pytest.param("a hot-air balloon", ["hot-air", "balloon"], id="a hyphen"),
        pytest.param("the artist's café", ["artist's", "café"], id="an apostrophe, an accent"),
        pytest.param("  red\n\tcube ", ["red", "cube"], id="spaces"),
        pytest.param("(red), [cube]: 3 cats...", ["red", "cube", "3", "cats"], id="brackets"),
        pytest.param("красный куб", ["красный", "куб"], id="Cyrillic"),
    ],
)  # fmt: skip
def test_words_have_the_tokens_that_spell_them(tokenizers, kind, prompt, words):
    found = read(tokenizers[kind], prompt).meaningful()
    assert [word.text for word in found] == words
    for word in found:
        assert spelled_out(tokenizers[kind], prompt, word) == word.text.casefold()
    assert len({token for word in found for token in word.tokens}) == sum(len(word.tokens) for word in found)


def test_a_repeated_word_has_each_occurrence_on_its_own(tokenizers):
    found = read(tokenizers["bytes"], "red, Red, red").meaningful()
    assert [(word.occurrence, word.tokens) for word in found] == [(0, (0, 1, 2)), (1, (5, 6, 7)), (2, (10, 11, 12))]


def test_a_script_without_spaces_has_a_word_for_each_token(tokenizers):
    found = read(tokenizers["sentencepiece"], "红的灯塔").meaningful()
    assert [word.text for word in found] == ["红", "的", "灯", "塔"]
    assert len(found[0].tokens) == 3  # in bytes


def test_a_template_around_the_prompt_does_not_count(tokenizers):
    found = read(tokenizers["bytes"], "a cat", "Describe a cat: user a cat</s>assistant: a cab").meaningful()
    assert [word.tokens for word in found] == [(23, 24, 25)]


@pytest.mark.parametrize("kind", ["clip", "bytes"])
def test_what_is_cut_off_has_no_tokens(tokenizers, kind):
    prompt = read(tokenizers[kind], "red cube, blue ball", truncation=True, max_length=10)
    assert [word.text for word in prompt.meaningful()][:2] == ["red", "cube"]
    assert "ball" not in [word.text for word in prompt.meaningful()]
    with pytest.raises(UsageError, match="behind the end"):
        asked_for(["ball"], [prompt])


def test_a_character_that_the_tokenizer_writes_otherwise_hides_no_other_word(tokenizers):
    found = read(tokenizers["bytes"], "red “cube” ball", 'red "cube" ball').meaningful()
    assert [(word.text, word.tokens) for word in found] == [
        ("red", (0, 1, 2)), ("cube", (5, 6, 7, 8)), ("ball", (11, 12, 13, 14)),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("keys", "found", "missing"),
    [
        pytest.param(["red cube"], [("red cube", 0)], [], id="a phrase"),
        pytest.param(["RED  Cube"], [("red cube", 0)], [], id="in another case"),
        pytest.param(["cubes"], [("cube", 0), ("cube", 1)], [], id="the plural of what is there"),
        pytest.param(["berry"], [("berries", 0)], [], id="the singular of what is there"),
        pytest.param(["ball", "a"], [("a", 0)], ["ball"], id="not there"),
        pytest.param([""], [], [""], id="nothing"),
    ],
)  # fmt: skip
def test_words_by_key(tokenizers, keys, found, missing):
    prompt = read(tokenizers["bytes"], "a red cube, blue cube, berries")
    assert [(word.text, word.occurrence) for word in asked_for(keys, [prompt])] == found
    assert absent(keys, [prompt]) == missing
