"""The LoRA lab: how few numbers a LoRA needs, at falling rank."""

from denoisecli.registry import Lab

LAB = Lab(
    config=".config:LoraRankConfig",
    record=".record:LoraRankRecord",
    lesson=".words:lesson",
    shots=".shots:shots",
    work=".work:work",
    fault=".stored:fault",
    card=".card:card",
    axes=None,
    poster=0.2,  # low enough to see what is lost
)
