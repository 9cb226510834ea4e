"""One batch at a time in a folder of runs; the shards of one batch may share it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from denoisecli.errors import InUse, RunFolderError
from denoisecli.locks import Held, lock, sign

from .queue import Shard


@contextlib.contextmanager
def held(root: Path, shard: Shard, name: str = "") -> Iterator[None]:
    """Hold the folder while a batch fills it. Raises InUse where another does, RunFolderError where nobody can.

    name: what the user calls it, if that is not its path.

    The lock is the system's, so that it ends with the process however that ends; the files stay.
    """
    with contextlib.ExitStack() as files:
        try:
            root.mkdir(parents=True, exist_ok=True)
            _lock(files, root / ".batch.lock", name or str(root), shared=shard.count > 1)
            if shard.count > 1:
                _lock(files, root / f".batch-{shard.index}-of-{shard.count}.lock", name or str(root), shared=False)
        except OSError as error:
            hint = "Choose another folder with --runs-dir."
            raise RunFolderError(f"{root} cannot be written: {error.strerror or error}.", hint) from None
        yield


def _lock(files: contextlib.ExitStack, path: Path, name: str, *, shared: bool) -> None:
    try:
        file = files.enter_context(lock(path, shared=shared))
    except Held as held_by:
        who = f" (process {held_by.owner})" if held_by.owner else ""
        hint = "Wait for it, choose another folder with --runs-dir, or split one batch with --shard I/N."
        raise InUse(f"{name} is being filled by another batch{who}.", hint) from None
    sign(file)
