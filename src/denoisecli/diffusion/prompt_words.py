"""Words of a prompt, and the tokens of the text encoder that each is made of.

What the encoders of a pipeline were given is heard, and read back into characters: so chat templates, cuts, padding and
every kind of tokenizer (CLIP's, byte-level BPE, SentencePiece) are as they were. The prompt is found in that text, and
a word has the tokens that its characters came from.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from functools import cache
from typing import TYPE_CHECKING, Any

from denoisecli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_FUNCTION = (
    "a an the this that these those some any such of on in at to by for from with without into onto and or but nor as "
    "than so then there here very is are was were be been being it its his her their my your our"
)
STOP_WORDS = frozenset(_FUNCTION.split())
"""Words that say how others hang together; all others carry meaning."""

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
"""Scripts that do not part their words: Thai, Lao, Burmese, Khmer, Japanese, Chinese. There each token is a word."""

_BREAK = "\0"
"""Stands for a token that is no text (start, end, padding): no prompt goes on across it."""


@dataclass(frozen=True)
class Word:
    """A word, or a phrase, and where its tokens stand among those that the picture reads.

    occurrence: which of several equal ones of a prompt, counted from 0. by_outputs: its maps are no attention but how
    alike outputs are (`concept_evaluations`).
    """

    text: str
    tokens: tuple[int, ...]
    occurrence: int = 0
    negative: bool = False
    concept: bool = False
    by_outputs: bool = False

    @property
    def record(self) -> dict[str, Any]:
        """What trace.json says of it."""
        kind = {"negative": self.negative, "concept": self.concept} | ({"by_outputs": True} if self.by_outputs else {})
        return {"text": self.text, "occurrence": self.occurrence, "tokens": list(self.tokens)} | kind


@dataclass(frozen=True)
class Spelled:
    """A text in bare characters: no spaces, no case, accents on their own. origin: where each came from."""

    text: str
    origin: tuple[tuple[int, ...], ...]


def spelled(characters: Iterable[tuple[str, tuple[int, ...]]]) -> Spelled:
    """Return characters, each with where it came from, without what tokenizers change: case, spaces and forms."""
    found = [
        (bare, places)
        for character, places in characters
        for bare in unicodedata.normalize("NFKD", character).casefold()
        if not bare.isspace()
    ]
    return Spelled("".join(bare for bare, _ in found), tuple(places for _, places in found))


@cache
def _byte_of() -> dict[str, int]:
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    return {character: byte for byte, character in bytes_to_unicode().items()}


def read_back(tokenizer: Any, ids: Sequence[int]) -> Spelled:
    """Return the text of some tokens, each character with the numbers of the tokens that its bytes came from."""
    special, spaced = set(tokenizer.all_special_ids), _is_sentencepiece(tokenizer)
    written: list[tuple[int, int]] = []  # (byte, token)
    for place, (token, one) in enumerate(zip(tokenizer.convert_ids_to_tokens(list(ids)), ids, strict=True)):
        piece = _BREAK.encode() if one in special or token is None else _bytes(token, spaced=spaced)
        written += [(byte, place) for byte in piece]
    text = bytes(byte for byte, _ in written).decode("utf-8", "surrogateescape")
    sizes = [len(character.encode("utf-8", "surrogateescape")) for character in text]
    ends = itertools.accumulate(sizes)
    places = (_once(place for _, place in written[end - size : end]) for size, end in zip(sizes, ends, strict=True))
    return spelled(zip(text, places, strict=True))


def _once(numbers: Iterable[int]) -> tuple[int, ...]:
    """Return numbers in their order, each once."""
    return tuple(dict.fromkeys(numbers))


def _is_sentencepiece(tokenizer: Any) -> bool:
    tokens = tokenizer.convert_ids_to_tokens(tokenizer(" a a", add_special_tokens=False).input_ids)
    return any("▁" in token for token in tokens)


def _bytes(token: str, *, spaced: bool) -> bytes:
    """Return the bytes that a token stands for."""
    if spaced:
        byte = re.fullmatch(r"<0x([0-9A-F]{2})>", token)
        return bytes([int(byte[1], 16)]) if byte else token.replace("▁", " ").encode()
    known, bare = _byte_of(), token.removesuffix("</w>")
    return bytes(known[one] for one in bare) if all(one in known for one in bare) else bare.encode()


def tokens_of(prompt: str, read: Spelled) -> list[tuple[int, ...]]:
    """Return for each character of the prompt the tokens that it became; none where the encoder cut it off."""
    wanted = spelled((character, (place,)) for place, character in enumerate(prompt))
    found: list[tuple[int, ...]] = [()] * len(prompt)
    for in_prompt, in_text in _matched(wanted.text, read.text):
        (place,) = wanted.origin[in_prompt]
        found[place] = _once((*found[place], *read.origin[in_text]))
    return found


def _matched(wanted: str, text: str) -> Iterator[tuple[int, int]]:
    """Yield the places of equal characters: of the whole prompt, of what was not cut off, or piece by piece."""
    if not wanted:
        return
    start = text.rfind(wanted)
    length = len(wanted)
    if start < 0:
        length = _longest_prefix(wanted, text)
        start = text.rfind(wanted[:length])
        rest = text[start + length :]
        if rest and not rest.startswith(_BREAK):  # a character that the tokenizer does not know, or writes otherwise
            blocks = SequenceMatcher(None, wanted, text[start:], autojunk=False).get_matching_blocks()
            for block in blocks:
                yield from ((block.a + i, start + block.b + i) for i in range(block.size))
            return
    yield from ((i, start + i) for i in range(length))


def _longest_prefix(wanted: str, text: str) -> int:
    low, high = 0, len(wanted)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if wanted[:middle] in text else (low, middle - 1)
    return low


@dataclass(frozen=True)
class Prompt:
    """A prompt and the tokens of its words. spans: of its words, (start, stop) in `text`."""

    text: str
    spans: tuple[tuple[int, int], ...]
    tokens: tuple[tuple[int, ...], ...]
    """Of each character."""
    negative: bool = False

    @property
    def all_tokens(self) -> tuple[int, ...]:
        """Return every token of the prompt, punctuation included."""
        return _once(token for tokens in self.tokens for token in tokens)

    @property
    def words(self) -> list[str]:
        """Return every word, as it is written."""
        return [self.text[start:stop] for start, stop in self.spans]

    def joined(self, other: Prompt, columns: Mapping[int, int]) -> Prompt:
        """Return it with the tokens of another reading, as they stand at `columns`; those that are in none are lost."""
        theirs = ([columns[token] for token in tokens if token in columns] for tokens in other.tokens)
        tokens = tuple(_once((*mine, *more)) for mine, more in zip(self.tokens, theirs, strict=True))
        return replace(self, tokens=tokens, spans=other.spans)

    def word(self, first: int, last: int, occurrence: int) -> Word:
        """Return the words from number `first` to `last` as one."""
        spans = self.spans[first : last + 1]
        places = (place for start, stop in spans for place in range(start, stop))
        tokens = tuple(sorted({token for place in places for token in self.tokens[place]}))
        return Word(self.text[spans[0][0] : spans[-1][1]], tokens, occurrence, self.negative)

    def meaningful(self) -> list[Word]:
        """Return the words that carry meaning and were not cut off, each occurrence on its own."""
        seen: Counter[str] = Counter()
        found = []
        for number, (start, stop) in enumerate(self.spans):
            bare = self.text[start:stop].casefold()
            if bare in STOP_WORDS:
                continue
            word = self.word(number, number, seen[bare])
            seen[bare] += 1
            found += [word] if word.tokens else []
        return found

    def named(self, key: str) -> list[Word]:
        """Return each occurrence of a word or phrase; without one, those of its plural or singular."""
        wanted = [match[0].casefold() for match in _WORD.finditer(key)]
        bare = [self.text[start:stop].casefold() for start, stop in self.spans]
        for same in (str.__eq__, _one_in_number):
            starts = range(len(bare) - len(wanted) + 1) if wanted else ()
            places = [i for i in starts if all(map(same, bare[i : i + len(wanted)], wanted))]
            if places:
                return [self.word(i, i + len(wanted) - 1, count) for count, i in enumerate(places)]
        return []


def _one_in_number(one: str, other: str) -> bool:
    """Return whether one word is the other, or its plural by rule."""
    short, long = sorted((one, other), key=len)
    return long in (short, f"{short}s", f"{short}es", f"{short[:-1]}ies" if short.endswith("y") else short)


def prompt_of(text: str, read: Spelled, *, negative: bool = False) -> Prompt:
    """Return a prompt as an encoder read it."""
    tokens = tokens_of(text, read)
    spans = [span for match in _WORD.finditer(text) for span in _parted(match.span(), text, tokens)]
    return Prompt(text, tuple(spans), tuple(tokens), negative)


def _parted(span: tuple[int, int], text: str, tokens: Sequence[tuple[int, ...]]) -> Iterator[tuple[int, int]]:
    """Yield a word, or its tokens where the script does not part its words."""
    start, stop = span
    if not _UNSPACED.search(text, start, stop):
        yield span
        return
    for place in range(start + 1, stop + 1):
        if place == stop or tokens[place] != tokens[start]:
            yield start, place
            start = place


def absent(keys: Sequence[str], prompts: Sequence[Prompt]) -> list[str]:
    """Return the words and phrases that are in none of the prompts."""
    return [key for key in keys if not any(prompt.named(key) for prompt in prompts)]


def asked_for(keys: Sequence[str], prompts: Sequence[Prompt]) -> list[Word]:
    """Return the words of the prompts that are asked for by key.

    Raises UsageError for a word that stands in a prompt behind what its encoder reads.
    """
    found = list[Word]()
    for key in keys:
        here = [word for prompt in prompts for word in prompt.named(key)]
        heard = [word for word in here if word.tokens]
        if here and not heard:
            raise UsageError(
                f"The word {key!r} stands behind the end of what the text encoder reads of this prompt.",
                "Move it to the front, or make the prompt shorter.",
            )
        found += heard
    return found


def unread(text: str, *, negative: bool = False) -> Prompt:
    """Return a prompt that no encoder has read yet: its words have no tokens."""
    return prompt_of(text, Spelled("", ()), negative=negative)
