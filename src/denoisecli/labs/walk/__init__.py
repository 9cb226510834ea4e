"""The walk: from seed to seed, every frame its own full run."""

from denoisecli.registry import Lab

LAB = Lab(
    config=".config:WalkConfig",
    record=".record:WalkRecord",
    lesson=".words:lesson",
    shots=".shots:shots",
    imported=".imported:walk_from",
    rows="denoisecli.labs.rows:frames",
    work=".work:work",
    fault=".stored:fault",
    axes=None,
    poster=0.25,  # between two pictures
)
