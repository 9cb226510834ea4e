"""How much of its attention each place of the picture gives to groups of text tokens: softmax(q·kᵀ), beside a kernel.

A fused kernel keeps no probabilities. Here they are computed once more from the queries and keys that it got, for the
text's columns alone, with the whole row's log-sum-exp as their denominator, in chunks of rows: what is kept are a few
numbers a place, never a (tokens, tokens) matrix.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CHUNK = 1 << 21
"""Scores that are held at once: 8 MB in float32, which stays in a processor's cache."""


@dataclass(frozen=True)
class Attended:
    """What a kernel was given, laid out as `torch.nn.functional.scaled_dot_product_attention` takes it.

    q: (rows, heads, queries, width). k: (rows, heads or fewer, keys, width). mask: None, True where a key is read, or
    what is added to the scores; it broadcasts to (rows, heads, queries, keys). scale: of the scores, 1/√width if None.
    """

    q: torch.Tensor
    k: torch.Tensor
    mask: torch.Tensor | None = None
    scale: float | None = None

    @property
    def factor(self) -> float:
        """What the scores are multiplied by."""
        return 1 / math.sqrt(self.q.shape[-1]) if self.scale is None else self.scale

    def scores(self, places: slice) -> Iterator[tuple[slice, torch.Tensor]]:
        """Yield q·kᵀ·scale + mask of the queries at `places`, (rows, heads, chunk, keys) in float32, chunk by chunk."""
        q, k = self.q[:, :, places], self.k
        if k.shape[1] != q.shape[1]:  # grouped queries share their keys
            k = k.repeat_interleave(q.shape[1] // k.shape[1], dim=1)
        keys = k.float().mT * self.factor
        size = max(1, CHUNK // (q.shape[0] * q.shape[1] * k.shape[2]))
        for start in range(0, q.shape[2], size):
            at = slice(start, min(start + size, q.shape[2]))
            found = q[:, :, at].float() @ keys
            if self.mask is not None:
                found = _masked(found, self.mask, slice(places.start + at.start, places.start + at.stop))
            yield at, found


def _masked(scores: torch.Tensor, mask: torch.Tensor, rows: slice) -> torch.Tensor:
    if mask.ndim >= 2 and mask.shape[-2] > 1:
        mask = mask[..., rows, :]
    return scores.masked_fill(~mask, -math.inf) if mask.dtype == torch.bool else scores + mask


def shares(
    given: Attended, groups: torch.Tensor, places: slice, columns: slice, more: Sequence[torch.Tensor] = ()
) -> torch.Tensor:
    """Return the probability that each place gives to each group of text tokens, (rows, groups and more, places).

    groups: (text tokens, groups), 1 where a token is in a group; its tokens stand in the keys at `columns`. places:
    the picture's tokens among the queries. more: keys that are not read, (heads, tokens, width) each: what they would
    get, each by itself, if they were. Summed over a group's tokens, averaged over heads.
    """
    rows, width = len(given.q), groups.shape[1]
    found = given.q.new_empty((rows, width + len(more), places.stop - places.start), dtype=torch.float32)
    for at, scores in given.scores(places):
        whole = scores.logsumexp(dim=-1, keepdim=True)
        found[:, :width, at] = ((scores[..., columns] - whole).exp_().mean(dim=1) @ groups).mT
        for number, keys in enumerate(more, width):
            own = given.q[:, :, places][:, :, at].float() @ (keys.float().mT * given.factor)
            found[:, number, at] = (own.logsumexp(dim=-1) - whole[..., 0]).sigmoid_().mean(dim=1)
    return found
