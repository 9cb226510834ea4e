"""`denoisecli` in a process of its own, without the seconds that importing takes.

A server imports denoisecli and the libraries of the models once and forks for each command. `command()` names the
program that asks it: a process with its own arguments, folder, environment, pipes and exit code, as
`python -m denoisecli` is. What else a process inherits (limits, ignored signals, variables that are read while modules
are imported) is compared, and where it differs the program *is* `python -m denoisecli`.

Where the start itself is the point (signals, what is imported, equal bytes from two starts), tests start
`[sys.executable, "-m", "denoisecli"]`.
"""

import contextlib
import os
import shlex
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = "TESTS_WARM_FOLDER"
HERE = Path(__file__).parent


def command() -> str:
    """Return the program that runs `denoisecli` with the arguments it is given."""
    return str(Path(os.environ[FOLDER]) / "denoisecli")


@contextlib.contextmanager
def program(barred=()):
    """Have `command()` for as long as the block lasts. barred: libraries that the server does not import."""
    with tempfile.TemporaryDirectory(prefix="warm-") as folder, contextlib.ExitStack() as serving:
        address = f"{folder}/socket"
        ask = shlex.join([sys.executable, "-IS", str(HERE / "client.py"), address])
        Path(folder, "denoisecli").write_text(f'#!/bin/sh\nexec {ask} "$@"\n')
        Path(folder, "denoisecli").chmod(0o755)
        serving.enter_context(server(address, barred))
        os.environ[FOLDER] = folder
        try:
            yield
        finally:
            del os.environ[FOLDER]


@contextlib.contextmanager
def server(address: str, barred=()):
    """Run the server; it ends with this process, however that ends."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        started = subprocess.Popen(
            [sys.executable, HERE / "server.py", str(listener.fileno()), *barred], pass_fds=[listener.fileno()],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    try:
        yield
    finally:
        started.stdin.close()
        started.wait()
