"""The figures of words: film and sheet. Functions of what a run has stored."""
