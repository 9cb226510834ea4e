"""denoisecli: run a diffusion model with every intermediate state kept, and draw what happened.

Python users need two names::

    with denoisecli.record(pipe) as trace:
        pipe("a lighthouse on a rocky cliff")
    trace.save("my-run")  # a run as `denoisecli sample` makes it; denoisecli.load("my-run") reads it back

Everything else is behind the command line. Nothing here imports torch until it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Trace", "__version__", "live", "load", "record"]

if TYPE_CHECKING:
    from .diffusion.recorder import record
    from .tools.live.notebook import live
    from .trace import Trace, load

_HOME = {"record": ".diffusion.recorder", "live": ".tools.live.notebook", "Trace": ".trace", "load": ".trace"}


def __getattr__(name: str) -> Any:
    """Import the public names on first use, so that `import denoisecli` stays free."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name], __name__), name)


def __dir__() -> list[str]:
    """Name what is imported on first use too."""
    return sorted({*globals(), *__all__})
