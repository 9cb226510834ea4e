"""The noise lab: how a picture drowns in noise, any t in one jump."""

from denoisecli.registry import Lab

LAB = Lab(
    config=".config:NoiseConfig",
    lesson=".words:lesson",
    record=".record:NoiseRecord",
    work=".work:work",
    fault=".stored:fault",
    axes=None,
    poster=0.2,  # films come back
)
