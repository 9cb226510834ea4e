"""Where the frames of a walk go: evenly, or closer together where the pictures change most. Pure, but for `Distance`.

All lists of places are in the order of the walk. In a loop the last place is also the neighbour of the first.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeVar

from .places import Place, midpoint

Distance = Callable[[Place, Place], float]
"""How different the finished pictures at two places are."""

T = TypeVar("T")
TOO_WIDE = 0.7  # of the largest jump: those above it are halved in the same round


def neighbours(places: Sequence[T], *, loop: bool) -> list[tuple[T, T]]:
    """Return the pairs that follow each other, of places or of their numbers."""
    return [*pairwise(places), *([(places[-1], places[0])] if loop else [])]


def jumps(places: Sequence[Place], distance: Distance, *, loop: bool) -> list[float]:
    """Return the distance of each place to the next."""
    return [distance(a, b) for a, b in neighbours(places, loop=loop)]


def next_places(
    places: Sequence[Place], distance: Distance, most: int, bound: float = 0.0, *, loop: bool
) -> list[Place]:
    """Return the middles of the widest gaps, `most` at the most; none where no jump is above `bound`."""
    gaps = sorted(((distance(a, b), a, b) for a, b in neighbours(places, loop=loop)), reverse=True)
    largest = gaps[0][0]
    wide = [(a, b) for jump, a, b in gaps if jump > max(bound, TOO_WIDE * largest)]
    return sorted(midpoint(a, b) for a, b in wide[:most])


def thinned(places: Sequence[Place], count: int, distance: Distance, *, loop: bool) -> list[Place]:
    """Return `count` of the places: again and again, the one is left out whose neighbours differ least. Ends stay.

    A heap holds, for each place, the jump that leaving it out would make; stale entries are skipped.
    """
    order = sorted(places)
    after = dict(neighbours(order, loop=loop))
    before = {b: a for a, b in after.items()}
    heap: list[tuple[float, Place, Place, Place]] = []

    def offer(place: Place) -> None:
        if place.end is None:
            a, b = before[place], after[place]
            heapq.heappush(heap, (distance(a, b), place, a, b))

    for place in order:
        offer(place)
    left = set(order)
    while len(left) > count and heap:
        _, place, a, b = heapq.heappop(heap)
        if place not in left or (before[place], after[place]) != (a, b):
            continue
        left.remove(place)
        after[a], before[b] = b, a
        offer(a)
        offer(b)
    return sorted(left)


def better(first: Sequence[Place], second: Sequence[Place], distance: Distance, *, loop: bool) -> Sequence[Place]:
    """Return the places with the smaller largest jump."""
    return min(first, second, key=lambda places: max(jumps(places, distance, loop=loop)))
