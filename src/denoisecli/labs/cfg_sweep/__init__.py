"""The cfg sweep: one starting noise at several guidance scales."""

from denoisecli.registry import Lab

LAB = Lab(
    config=".config:CfgSweepConfig",
    lesson=".words:lesson",
    record=".record:CfgSweepRecord",
    shots=".shots:shots",
    imported=".imported:sweep_around",
    rows="denoisecli.labs.rows:sampled",
    fault=".stored:fault",
    axes=("scale", "seed"),
)
