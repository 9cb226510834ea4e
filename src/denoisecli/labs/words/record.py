"""What this lab's record holds beside that of all."""

from __future__ import annotations

from denoisecli.trace_schema import ALWAYS, Count, HeardWord, Part, Positive, SampledRecord, Share


class Word(HeardWord):
    """A word or phrase that was heard, with what was measured of its maps."""

    found: Positive | None = ALWAYS
    """the median of found_at; null where most seeds have none"""
    share_by_seed: list[Share] | None = ALWAYS
    """its share of the attention for each seed, mean over steps"""
    overlap: list[Share] | None = ALWAYS
    """of its place with its final place, for each step, mean over seeds"""
    strength: Share | None = ALWAYS
    """its peak as a share of the loudest word's"""
    silent: bool | None = ALWAYS
    """it hardly speaks: its strength is below 0.4"""


class Pair(Part):
    """Two words that share a place at some step."""

    words: list[Count]
    """their numbers in `words`"""
    overlap: list[Share]
    """of their places, for each step, mean over seeds"""
    by_seed: list[Share] | None = None
    """the last step's, for each seed"""
    on: list[Share] | None = None
    """the share of the first one's final place on the second's, and of the second's on the first's"""


class WordsRecord(SampledRecord):
    """Of a run whose words were heard."""

    words: list[Word] = ALWAYS  # type: ignore[assignment]
    """in the arrays' order: the prompt's, then concepts, then the negative prompt's"""
    word_pairs: list[Pair] = ALWAYS
    """at most 64, those that share most first"""
