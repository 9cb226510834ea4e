"""How long each state of a film is held: pure arithmetic on seconds and frames."""

from __future__ import annotations

import math

LAST_HOLDS = 5  # the finished picture is looked at longer


def holds(n_states: int, hold_s: float, fps: float, last_hold: float | None = None) -> list[int]:
    """Return how many frames each state is shown for: `hold_s` seconds, and the last `last_hold` seconds.

    Every state is shown for one frame at least. fps: frames a second. last_hold: five times hold_s where None.
    """
    if n_states < 1:
        raise ValueError("a film needs at least one state")
    last_hold = LAST_HOLDS * hold_s if last_hold is None else last_hold
    each, last = (max(1, round(seconds * fps)) for seconds in (hold_s, last_hold))
    return [each] * (n_states - 1) + [max(each, last)]


def tick(repeats: list[int]) -> int:
    """Return the greatest number that divides all of `repeats`: the film could run that many times slower."""
    return math.gcd(*repeats)
