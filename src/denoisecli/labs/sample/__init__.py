"""The deck: every state of a run, in three views, for several seeds."""

from denoisecli.registry import Lab

LAB = Lab(
    config=".config:SampleConfig",
    record=".record:SampleRecord",
    lesson=".words:lesson",
    rows="denoisecli.labs.rows:sampled",
    keep=".recorded:keep",
    drawing=".recorded:drawing",
    recorded=".config:RecordedConfig",
    fault="denoisecli.labs.stored:sampled_fault",
    imported="denoisecli.interop.imported:one_cfg",
    poster=0.4,  # a guess is ahead of its canvas
)
