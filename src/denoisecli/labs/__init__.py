"""One file for each instrument, each reads like its recipe: `plan(config)` names the run, `make` makes it."""
