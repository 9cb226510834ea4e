"""Points of a walk, for those who sample at them and those who draw them."""

from __future__ import annotations

from typing import NamedTuple


class Place(NamedTuple):
    """A point of the walk: `share` (0..1) of the way through leg number `leg`; in the order of the walk."""

    leg: int
    share: float

    @property
    def end(self) -> int | None:
        """Number of the seed, prompt or other end that this is; None between two. Past the last one in a loop: 0."""
        return self.leg + int(self.share) if self.share in (0, 1) else None


def even_places(legs: int, frames: int, *, loop: bool) -> list[Place]:
    """Return the places at equal shares, `frames` a leg with both ends, each end once; a loop ends before its start."""
    steps = frames - 1
    places = [Place(leg, index / steps) for leg in range(legs) for index in range(steps)]
    return places if loop else [*places, Place(legs - 1, 1.0)]


def midpoint(a: Place, b: Place) -> Place:
    """Return the place in the middle of two neighbours; b may be the end of a's leg, or the loop's start."""
    last = b.share if b.leg == a.leg and b.share > a.share else 1.0
    return Place(a.leg, (a.share + last) / 2)
