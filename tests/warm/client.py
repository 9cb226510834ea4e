"""Asks the server to run a command line, and ends as that ends: `client.py SOCKET ARGUMENT...`. Quick to start."""

import json
import os
import resource
import signal
import socket
import struct
import sys

READ_ONCE = (
    "ATEN_", "DIFFUSERS_", "FORCE_COLOR", "GITHUB_ACTIONS", "HF_", "KMP_", "LANG", "LC_", "LD_", "MKL_", "NPY_", "OMP_",
    "OPENBLAS_", "PEFT_", "PYTHON", "PY_COLORS", "TERMINAL_WIDTH", "TORCH", "TRANSFORMERS_", "TYPER_", "TZ", "_TYPER",
)  # fmt: skip
SET_BY_LIBRARIES = ("KMP_DUPLICATE_LIB_OK", "LD_LIBRARY_PATH", "TORCHINDUCTOR_CACHE_DIR")
"""What cv2 and torch set in a process that imports them, such as that of the tests; none of our commands needs it."""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LIMITS = [getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")]


def inherited():
    """Return what a process has from its parent and cannot be given by a message; as JSON has it."""
    return {
        "variables": {
            name: value
            for name, value in os.environ.items()
            if name.startswith(READ_ONCE) and name not in SET_BY_LIBRARIES
        },
        "limits": [list(resource.getrlimit(limit)) for limit in LIMITS],
        "ignored": [int(number) for number in SIGNALS if signal.getsignal(number) == signal.SIG_IGN],
        "mounts": mounts(),
        "closed": [fd for fd in (0, 1, 2) if not is_open(fd)],
    }


def mounts():
    """Return the number of the mount namespace, which `unshare` changes; 0 where there is no such thing."""
    try:
        return os.stat("/proc/self/ns/mnt").st_ino
    except OSError:
        return 0


def is_open(fd):
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def ask(address, arguments):
    """Return the exit code of the command, or None where it must be started anew."""
    here = inherited()
    if here["closed"] or not os.path.exists(address):
        return None
    umask = os.umask(0)
    os.umask(umask)
    asked = {"argv": arguments, "cwd": os.getcwd(), "env": dict(os.environ), "umask": umask, "inherited": here}
    body = json.dumps(asked).encode()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # until it is known to whom they go
        try:
            socket.send_fds(connection, [struct.pack("!I", len(body))], [0, 1, 2])
            connection.sendall(body)
            pid = receive_number(connection)
            if pid:
                for number in SIGNALS:
                    signal.signal(number, lambda number, _: os.kill(pid, number))
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        return receive_number(connection) if pid else None


def receive_number(connection):
    return struct.unpack("!i", receive(connection, 4))[0]


def receive(connection, length):
    body = b""
    while len(body) < length:
        part = connection.recv(length - len(body))
        if not part:
            raise ConnectionError("the other side is gone")
        body += part
    return body


def main():
    _, address, *arguments = sys.argv
    code = ask(address, arguments) if hasattr(os, "pidfd_open") else None
    if code is None:
        os.execv(sys.executable, [sys.executable, "-m", "denoisecli", *arguments])
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


if __name__ == "__main__":
    main()
