"""The command line: parses, calls a lab, prints. Importing it loads typer and rich, never torch."""

from __future__ import annotations

import atexit
import gc
import signal
import sys
from importlib import import_module
from typing import Any

__all__ = ["main"]

MODULES = (
    "labs", "batch", "listing", "gallery", "render", "compare", "slides", "lecture", "live_page", "interop",
    "configs", "info",
)  # fmt: skip
"""Each adds its commands to the app, in this order, which `--help` keeps."""


def whole_app() -> Any:
    """Return the app with all its commands."""
    for module in MODULES:
        import_module(f".{module}", __name__)
    from .app import app

    return app


def main() -> None:
    """Run the command line. SIGTERM and SIGHUP end it as Ctrl-C does, so that they leave a run that resumes."""
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _interrupt)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a job in the background ignores it
        signal.signal(signal.SIGINT, _interrupt)
    atexit.register(gc.freeze)  # else the exit takes a second more: Python looks through all of torch for garbage
    from denoisecli.cores import wait_patiently

    from . import streams

    wait_patiently()
    streams.set_up()
    try:
        whole_app()()
    except SystemExit as end:
        from .app import told

        sys.exit(told(end.code))


class Interrupted(KeyboardInterrupt):
    """A signal asked us to stop.

    Not a plain KeyboardInterrupt: once one of those has passed through an `exec`, as it may while modules are loaded,
    Python ends the process by SIGINT whatever was caught and whichever exit code was asked for.
    """


def _interrupt(_number: int, _frame: object) -> None:
    raise Interrupted
