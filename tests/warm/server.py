"""Imports denoisecli and the models' libraries at the first command, and forks for each.

`server.py SOCKET_FD [LIBRARY...]`: the libraries named are not imported, nor what needs them.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import struct
import sys
import threading

from client import inherited, receive

LIBRARIES = (
    "torch", "numpy", "PIL.Image", "safetensors.torch", "peft", "diffusers.loaders",
    "diffusers.models.autoencoders.autoencoder_tiny", "diffusers.models.unets.unet_2d_condition",
    "diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion", "diffusers.schedulers.scheduling_ddim",
    "transformers.models.clip.modeling_clip", "transformers.models.clip.tokenization_clip",
)  # fmt: skip


def serve(listener, barred):
    """Fork for every command. Only the forked return, with what they are to run; the server ends with its parent."""
    mine, imported = inherited(), False
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forked
    while True:
        ready, _, _ = select.select([listener, 0], [], [])
        if 0 in ready:
            os._exit(0)
        connection, _ = listener.accept()
        if not imported:
            with kept_out(barred):
                import_all()
            imported = True
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            listener.close()
            return attend(connection, mine)
        connection.close()


@contextlib.contextmanager
def kept_out(barred):
    """Let importing these libraries fail as where they are not installed."""

    class Bar:
        @staticmethod
        def find_spec(name, path=None, target=None):
            if name in barred:
                raise ModuleNotFoundError(name, name=name)

    sys.meta_path.insert(0, Bar)
    try:
        yield
    finally:
        sys.meta_path.remove(Bar)


def import_all():
    """Import what commands import, and have transformers build the table that it builds for the first model."""
    for name in LIBRARIES:
        with contextlib.suppress(ImportError):  # the tests that need none of them run without
            importlib.import_module(name)
    with contextlib.suppress(ImportError, AttributeError):
        importlib.import_module("transformers.conversion_mapping").get_checkpoint_conversion_mapping("clip")
    own = importlib.import_module("denoisecli")
    for module in pkgutil.walk_packages(own.__path__, "denoisecli."):
        if not module.name.endswith("__main__"):
            with contextlib.suppress(ImportError):  # of an extra that is not installed
                importlib.import_module(module.name)
    gc.freeze()


def attend(connection, mine):
    """Fork the command and return in it. Here: tell its number, wait, tell its exit code; end it with its client."""
    head, fds, _, _ = socket.recv_fds(connection, 4, 3)
    asked = json.loads(receive(connection, *struct.unpack("!I", head)))
    if asked["inherited"] != mine:
        connection.sendall(struct.pack("!i", 0))
        os._exit(0)
    pid = os.fork()
    if pid == 0:
        connection.close()
        return become(asked, fds)
    connection.sendall(struct.pack("!i", pid))
    for fd in fds:
        os.close(fd)
    ready, _, _ = select.select([connection, os.pidfd_open(pid)], [], [])
    if connection in ready:  # closed: the client was killed
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(OSError):
        connection.sendall(struct.pack("!i", os.waitstatus_to_exitcode(status)))
    os._exit(0)


def become(asked, fds):
    """Take over the client's streams, folder and environment; return the arguments."""
    os.setsid()
    for number, fd in enumerate(fds):
        os.dup2(fd, number)
        os.close(fd)
    os.chdir(asked["cwd"])
    os.umask(asked["umask"])
    os.environ.clear()
    os.environ.update(asked["env"])
    sys.stdout.reconfigure(line_buffering=os.isatty(1))
    return asked["argv"]


def run_and_end():
    """Run `python -m denoisecli`, and end as Python does but for taking torch's modules apart, which takes longest."""
    code = 0
    try:
        runpy.run_module("denoisecli", run_name="__main__", alter_sys=True)
    except SystemExit as ending:
        if not isinstance(ending.code, int | None):
            raise
        code = ending.code or 0
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code & 0xFF)


if __name__ == "__main__":
    sys.argv[1:] = serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:])
    sys.path[0] = os.getcwd()  # as `python -m` has it
    del sys.modules["client"]
    run_and_end()
