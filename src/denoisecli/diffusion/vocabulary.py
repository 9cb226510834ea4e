"""The words of a model that has a vocabulary of its own, such as pocket: those it knows, and those it does not.

All but `unknown_words` works without torch.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from denoisecli.errors import ModelError
from denoisecli.safe_files import read_file

from .model_configs import read_table
from .prompts import words_of as tokenizer_of
from .references import locate

OWN_WORDS = 10_000  # tokens: a vocabulary of fewer is the model's own
MOST_CARD = 1 << 20
WORD_ENDS = "</w>"  # behind tokens that end a word, in CLIP's vocabularies
_WORD = re.compile(r"[^\W\d_]+")


def words_of(ref: str) -> dict[str, list[str]]:
    """Return the words that a model with a vocabulary of its own knows, by what they are for; empty for all others.

    Its card groups them where it has a table of them; else they are those of the tokenizer.
    """
    path = locate(ref)
    words = sorted(_whole_words(path))
    return (_card_table(path, "attribute", "words") or {"words": words}) if words else {}


def synonyms_of(ref: str) -> dict[str, list[str]]:
    """Return the words that a model reads as others, by the word that they are read as, where its card lists them."""
    path = locate(ref)
    return _card_table(path, "word", "read as it") if path.is_dir() else {}


def pieces_of(ref: str) -> set[str]:
    """Return what looks like a word to the tokenizer and is only a piece of longer ones: "land", of "island".

    Byte pairs leave such tokens behind. The model's card, where it lists its words, tells which they are.
    """
    path = locate(ref)
    words = _whole_words(path)
    taught = _card_table(path, "attribute", "words") if words else {}
    if not taught:
        return set()
    others = synonyms_of(ref)
    phrases = [*others, *(phrase for table in (taught, others) for row in table.values() for phrase in row)]
    return words - {word for phrase in phrases for word in phrase.split()}


def unknown_words(pipe: Any, ref: str, prompt: str) -> list[str]:
    """Return the prompt's words that a model with a vocabulary of its own does not know, each once, in their order.

    Such a model was trained on whole words: one in pieces means nothing to it. Models with CLIP's vocabulary of 49,408
    tokens know most words in pieces; for them the list stays empty.
    """
    tokenizer = tokenizer_of(getattr(pipe, "tokenizer", None))
    if tokenizer is None or tokenizer.vocab_size > OWN_WORDS:
        return []
    vocabulary = tokenizer.get_vocab()
    if not any(token.endswith(WORD_ENDS) for token in vocabulary):  # another kind of vocabulary, of pieces
        return []
    pieces = pieces_of(ref)
    return [word for word in words_in(prompt) if word + WORD_ENDS not in vocabulary or word in pieces]


def words_in(text: str) -> list[str]:
    """Return the words of a text in small letters, each once, in their order."""
    return list(dict.fromkeys(_WORD.findall(text.lower())))


def _whole_words(path: Path) -> set[str]:
    """Return what a folder's tokenizer has one token for, of two letters or more; empty where it is not of its own."""
    try:
        vocabulary = read_table(path / "tokenizer" / "vocab.json")
    except ModelError:  # none, or of another kind
        return set()
    if len(vocabulary) > OWN_WORDS:
        return set()
    words = {token.removesuffix(WORD_ENDS) for token in vocabulary if token.endswith(WORD_ENDS)}
    return {word for word in words if len(word) > 1}


def _card_table(path: Path, name: str, listed: str) -> dict[str, list[str]]:
    """Return the rows of a table of a model's card, by its headings; empty where it has none."""
    try:
        card = read_file(path / "MODEL_CARD.md", MOST_CARD).decode("utf-8", "replace")
    except OSError:
        return {}
    table = card.partition(f"| {name} | {listed} |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| ([a-z ,]+) \| ([a-z, -]+) \|$", table, re.MULTILINE)
    return {name: words.split(", ") for name, words in rows}
