"""Work over the cores: in order, a bounded number at once, and ended where something fails."""

import threading

import pytest

from denoisecli import cores
from tests.waiting import wait_until


@pytest.mark.parametrize(("told", "count"), [("3", 3), ("4,2", 4), (" 2 ", 2)])
def test_the_cores_are_those_that_the_environment_names(monkeypatch, told, count):
    monkeypatch.setenv("OMP_NUM_THREADS", told)
    assert cores.count() == count


@pytest.mark.parametrize("told", [None, "", "0", "many", "-1"])
def test_else_they_are_those_of_this_process(monkeypatch, told):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if told is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", told)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 3, 5}, raising=False)
    assert cores.count() == 3


def test_results_come_in_order_and_no_more_are_under_way_than_workers():
    under_way, most = [], []

    def work(item):
        under_way.append(item)
        most.append(len(under_way))
        under_way.remove(item)
        return item * item

    assert list(cores.in_order(work, range(50), 3)) == [item * item for item in range(50)]
    assert max(most) <= 3


def test_items_are_taken_as_they_are_needed():
    taken = []
    found = cores.in_order(lambda item: item, (taken.append(item) or item for item in range(100)), 2)
    assert next(found) == 0
    assert len(taken) <= 4
    found.close()


def test_a_fault_ends_the_others():
    begun, ended, made = threading.Event(), threading.Event(), []

    def work(item):
        if item == 0:
            begun.wait(10)
            raise ZeroDivisionError
        begun.set()
        assert ended.wait(10), "nobody said that it is over"
        made.append(item)

    with pytest.raises(ZeroDivisionError):
        list(cores.in_order(work, range(9), 2, ended))
    assert sorted(made) in ([1], [1, 2])  # what had begun was heard out, what had not was left out


def test_who_stops_asking_ends_them_too():
    ended, said = threading.Event(), []
    found = cores.in_order(lambda item: item and said.append(ended.wait(10)), range(3), 2, ended)
    next(found)
    found.close()
    wait_until(lambda: said)
    assert set(said) == {True}


def test_one_worker_is_the_caller():
    found = cores.in_order(lambda item: (item, threading.get_ident()), range(3), 1)
    assert list(found) == [(item, threading.get_ident()) for item in range(3)]
