"""`python -m denoisecli` is the command."""

from .cli import main

main()
