"""Words: where and when each word of the prompt speaks, from the attention of every step."""

from denoisecli.registry import Lab

LAB = Lab(
    config=".config:WordsConfig",
    record=".record:WordsRecord",
    lesson=".words:lesson",
    rows="denoisecli.labs.rows:sampled",
    fault=".stored:fault",
    imported="denoisecli.interop.imported:one_cfg",
    poster=0.4,  # words have their places, and the guess still forms
)
