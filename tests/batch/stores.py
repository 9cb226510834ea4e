"""Stores behind URLs: fsspec's in memory, and a real server that speaks S3, in this process on 127.0.0.1."""

import contextlib
import logging
import uuid

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
