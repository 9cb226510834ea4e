"""Several layers at once, with a BLAS of one thread each."""

import pytest
from threadpoolctl import threadpool_info

from denoisecli.lora.threads import in_order


def blas_threads(_=None):
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_results_keep_their_order_and_blas_has_one_thread_meanwhile():
    before = blas_threads()
    assert list(in_order(lambda item: (item, *blas_threads()), range(9))) == [(item, 1) for item in range(9)]
    assert blas_threads() == before


def test_a_fault_comes_through_and_the_threads_are_given_back():
    before = blas_threads()
    with pytest.raises(ZeroDivisionError):
        list(in_order(lambda item: 1 // item, range(9)))
    assert blas_threads() == before
