"""Stores behind URLs: fsspec's in memory, and a real server that speaks S3, in this process on 127.0.0.1."""

import contextlib
import logging
import socket
import threading
import uuid
from urllib.parse import urlsplit

import fsspec

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


@contextlib.contextmanager
def s3_server():
    """Yield the environment under which s3:// is a server of our own; it ends with the block."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield {**KEYS, "AWS_ENDPOINT_URL": f"http://{host}:{port}"}
    finally:
        server.stop()


def new_url(scheme):
    """Return the URL of an empty place in a store."""
    name = uuid.uuid4().hex[:8]
    return f"s3://bucket/{name}/runs" if scheme == "s3" else f"{scheme}://{name}/runs"


def files(url):
    """Return the contents of all files below the URL by their paths there."""
    store, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
    return {name.removeprefix(root).lstrip("/"): store.cat_file(name) for name in store.find(root)}


class Between:
    """A wire to a server, which can be cut, or go on taking what is said without handing it on."""

    def __init__(self, address):
        self.there = (urlsplit(address).hostname, urlsplit(address).port)
        self.server = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.server.getsockname()[1]}"
        self.hanging, self.ends = False, []

    def __enter__(self):
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.close()

    def hang(self):
        self.hanging = True

    def close(self):
        """Cut every connection, and take no more."""
        with contextlib.suppress(OSError):
            self.server.shutdown(socket.SHUT_RDWR)
        for end in [self.server, *self.ends]:
            with contextlib.suppress(OSError):
                end.close()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                near, far = self.server.accept()[0], socket.create_connection(self.there)
                self.ends += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    def _pass_on(self, one, other):
        with contextlib.suppress(OSError):
            while said := one.recv(1 << 16):
                if not self.hanging:
                    other.sendall(said)
            other.shutdown(socket.SHUT_WR)
