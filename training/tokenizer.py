"""A small CLIP tokenizer: byte-level pairs whose merges make each word of the grammar one token.

Any other word falls apart into letters, so no prompt can crash it.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from typing import TYPE_CHECKING

from transformers import CLIPTokenizer

from training.captions import GRAMMAR
from training.models import MAX_TOKENS

if TYPE_CHECKING:
    from pathlib import Path

GLUE = ("a", "on", "at")
SPARE = (
    *("the", "of", "at", "in", "with", "and", "painting", "sunset", "sunrise", "evening", "morning", "day", "sea"),
    *("sky", "cloud", "wave", "flower", "snow", "tower", "tree", "house", "hill", "island", "cliff", "dune"),
    *("rock", "sand"),
)
"""Words of one token each that no caption holds: room to grow without a new vocabulary."""


def _byte_letters() -> list[str]:
    """One printable character for each byte, in GPT-2's order."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [byte for byte in range(256) if byte not in plain]
    return [chr(byte) for byte in plain] + [chr(256 + index) for index in range(len(rest))]


def _weights() -> Counter[str]:
    words: Counter[str] = Counter()
    for phrases in GRAMMAR.values():
        for phrase in phrases:
            words.update(dict.fromkeys(phrase.split(), 5))
    words.update(dict.fromkeys(GLUE, 50))
    words.update(SPARE)
    return words


def _join(pieces: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    joined: list[str] = []
    index = 0
    while index < len(pieces):
        if pieces[index : index + 2] == pair:
            joined.append(pair[0] + pair[1])
            index += 2
        else:
            joined.append(pieces[index])
            index += 1
    return tuple(joined)


def learn_merges(words: Counter[str]) -> list[tuple[str, str]]:
    """Byte-pair merges, most frequent first, until each word is one token (Sennrich et al. 2016)."""
    pieces = {word: (*word[:-1], word[-1] + "</w>") for word in words}
    merges: list[tuple[str, str]] = []
    while any(len(parts) > 1 for parts in pieces.values()):
        pairs: Counter[tuple[str, str]] = Counter()
        for word, parts in pieces.items():
            for pair in itertools.pairwise(parts):
                pairs[pair] += words[word]
        best, _ = max(pairs.items(), key=lambda item: (item[1], item[0]))
        merges.append(best)
        pieces = {word: _join(parts, best) for word, parts in pieces.items()}
    return merges


def build_tokenizer(folder: Path) -> CLIPTokenizer:
    """Write the tokenizer's files into `folder` unless they are there; load it."""
    if not (folder / "tokenizer_config.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        letters, merges = _byte_letters(), learn_merges(_weights())
        tokens = [*letters, *(letter + "</w>" for letter in letters), *(a + b for a, b in merges)]
        tokens = [*dict.fromkeys(tokens), "<|startoftext|>", "<|endoftext|>"]
        vocabulary = {token: number for number, token in enumerate(tokens)}
        (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
        lines = ["#version: 0.2", *(f"{a} {b}" for a, b in merges)]
        (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        config = {
            "tokenizer_class": "CLIPTokenizer",
            "model_max_length": MAX_TOKENS,
            "bos_token": "<|startoftext|>",
            "eos_token": "<|endoftext|>",
            "unk_token": "<|endoftext|>",
            "pad_token": "<|endoftext|>",
        }
        (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    return CLIPTokenizer.from_pretrained(str(folder))
