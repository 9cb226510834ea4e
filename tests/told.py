"""A report that keeps what it was warned of, for tests that ask, and holds every run to the law of its progress."""

from denoisecli.report import Report


class Told(Report):
    """Keeps the warnings of a run; fails where a stage tells of less than before or of more than there is."""

    def __init__(self):
        self.warnings = []
        self.name, self.done_so_far, self.total = "none", 0, 0

    def warn(self, text):
        self.warnings.append(text)

    def stage(self, name, total):
        self.name, self.done_so_far, self.total = name, 0, total

    def step(self, done, **_):
        assert self.done_so_far <= done <= self.total, f"{self.name}: {done} of {self.total} after {self.done_so_far}"
        self.done_so_far = done
