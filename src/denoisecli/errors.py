"""The errors that a user can meet; only `cli/` catches them.

DenoiseError                exit 1   a run failed
├── UsageError              exit 2   the command or the config is wrong
│   └── ConfigError         exit 2   ... and we know the file, line and key
├── ModelError              exit 1   a model cannot be found, read or trusted
├── SamplingError           exit 1   NaN latents, out of memory at batch one
├── NotRecorded             exit 1   the trace holds no such array
├── MediaError              exit 1   ffmpeg or an image writer failed
└── RunFolderError          exit 1   the run folder cannot be written, or is another run's
    ├── DiskFull            exit 1   ... for want of room
    ├── RemoteError         exit 1   ... because a store behind a URL does not let us
    └── InUse               exit 1   ... because another process writes there now

Each says what happened, where, and the way out, in plain words; the way out is a sentence of its own, `hint`, which
`--json` hands on as such.
"""

from __future__ import annotations

import errno


class DenoiseError(Exception):
    """Something a user can understand and act on. `hint` is the way out, a sentence of its own."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class UsageError(DenoiseError):
    """The command line or a config is wrong; nothing was started."""

    exit_code = 2


class ConfigError(UsageError):
    """A config value is wrong, at `source:line: key`."""


class ModelError(DenoiseError):
    """A model, LoRA or weights file cannot be found, read or trusted."""


class SamplingError(DenoiseError):
    """The sampling loop went wrong: NaN latents, or no memory even for a batch of one."""


class NotRecorded(DenoiseError):
    """The trace does not hold what was asked for."""


class MediaError(DenoiseError):
    """A film or picture could not be written or read."""


class RunFolderError(DenoiseError):
    """The run folder cannot be written, is in use, or belongs to another config."""


class DiskFull(RunFolderError):
    """The disk has no room left."""


class RemoteError(RunFolderError):
    """A store behind a URL cannot be reached, or refuses."""


class InUse(RunFolderError):
    """Another process is writing there."""


_OF_MEMORY = (
    "allocate memory", "out of memory", "not enough memory", "bad_alloc", "failed to map segment",
    "map zero-fill pages", "could not create a primitive", "can't start new thread",
)  # fmt: skip
"""How the system's loader, torch, oneDNN and C++ say that memory ran out, in errors of any kind."""


def is_of_memory(error: BaseException | None) -> bool:
    """Return whether an error, or one that it came of, says that memory ran out, on whichever device.

    Libraries say it in errors of many kinds, and who catches those tells of a damaged file or a model that does not
    fit: so it is asked of what lies behind an error, too.
    """
    for _ in range(20):  # errors may come of each other in a circle
        if error is None:
            return False
        if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
            return True
        machines = isinstance(error, (RuntimeError, ImportError, OSError)) or type(error).__name__ == "SafetensorError"
        if machines and any(mark in str(error).lower() for mark in _OF_MEMORY):
            return True
        error = error.__cause__ or error.__context__
    return False


def not_enough_memory(hint: str) -> DenoiseError:
    """Return the error that says so."""
    return DenoiseError("There is not enough memory for this.", hint)
