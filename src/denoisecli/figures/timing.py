"""How long each state of a film is held: pure arithmetic on seconds and frames."""

from __future__ import annotations

import math
from collections.abc import Mapping

LAST_HOLDS = 5  # the finished picture is looked at longer


def holds(
    n_states: int,
    hold_s: float,
    fps: float,
    last_hold: float | None = None,
    slow: Mapping[int, int] | None = None,
) -> list[int]:
    """Return how many frames each state is shown for: `hold_s` seconds, and the last `last_hold` seconds.

    Every state is shown for one frame at least. fps: frames a second. last_hold: five times hold_s where None.
    slow: states that are held so many times as long.
    """
    if n_states < 1:
        raise ValueError("a film needs at least one state")
    last_hold = LAST_HOLDS * hold_s if last_hold is None else last_hold
    each, last = (max(1, round(seconds * fps)) for seconds in (hold_s, last_hold))
    times = slow or {}
    return [each * times.get(state, 1) for state in range(n_states - 1)] + [max(each, last)]


def slow_at(states: tuple[int, ...]) -> dict[int, int]:
    """Return the states at which a film slows: twice as long where something happened, thrice at the middle one."""
    return dict.fromkeys(states, 2) | ({states[len(states) // 2]: 3} if states else {})


def tick(repeats: list[int]) -> int:
    """Return the greatest number that divides all of `repeats`: the film could run that many times slower."""
    return math.gcd(*repeats)
