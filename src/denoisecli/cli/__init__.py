"""The command line: parses, calls a lab, prints. Importing it loads typer and rich, never torch."""

from .app import main

__all__ = ["main"]
