"""A report that keeps what it was warned of, for tests that ask."""

from denoisecli.report import Report


class Told(Report):
    """Keeps the warnings of a run."""

    def __init__(self):
        self.warnings = []

    def warn(self, text):
        self.warnings.append(text)
