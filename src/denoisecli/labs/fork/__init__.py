"""Forks: a run is taken up at several states with one thing changed, to see what was decided when."""

from denoisecli.registry import Lab

LAB = Lab(
    config=".config:ForkConfig",
    record=".record:ForkRecord",
    lesson=".words:lesson",
    rows="denoisecli.labs.rows:sampled",
    shots=".shots:shots",
    work=".work:work",
    fault=".stored:fault",
    imported="denoisecli.interop.imported:one_cfg",
    poster=0.95,  # side by side at the end
)
