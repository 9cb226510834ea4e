"""The figures of forks: film and sheet. Functions of what a run has stored."""
