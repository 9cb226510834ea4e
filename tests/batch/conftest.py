"""A server that speaks S3, for the tests that put runs into a store."""

import os

import pytest


@pytest.fixture(scope="session")
def s3():
    """The environment of a running S3 server with an empty bucket, set in this process too."""
    pytest.importorskip("s3fs")
    import fsspec

    from .stores import s3_server

    before = dict(os.environ)
    with s3_server() as env:
        os.environ.update(env)
        fsspec.filesystem("s3", use_listings_cache=False).mkdir("bucket")
        yield env
    os.environ.clear()
    os.environ.update(before)
