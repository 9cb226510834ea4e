"""Work beside other work: bounded, waited for, and ended where nobody waits."""

import threading

from denoisecli.batch.beside import FEWEST, Beside


def test_no_more_than_there_is_room_for(monkeypatch):
    beside, go, lock = Beside(2), threading.Event(), threading.Lock()
    at_once, most = set(), []

    def piece(number):
        with lock:
            at_once.add(number)
            most.append(len(at_once))
        go.wait(60)
        with lock:
            at_once.remove(number)

    for number in range(6):
        if number == 2:
            threading.Timer(0.05, go.set).start()
        beside.room()
        beside.go_on(lambda number=number: piece(number), threading.Event())
    beside.wait()
    assert (len(most), max(most), at_once) == (6, 2, set())


def test_room_by_the_cores(monkeypatch):
    for told, most in (("1", FEWEST), ("2", FEWEST), ("64", 16)):
        monkeypatch.setenv("OMP_NUM_THREADS", told)
        assert Beside().most == most


def test_end_tells_all_and_waits_only_so_long():
    beside, hangs, ended = Beside(), threading.Event(), threading.Event()
    beside.go_on(ended.wait, ended)
    beside.go_on(hangs.wait, threading.Event())
    assert not beside.end(0.2)
    assert ended.is_set()
    assert beside.ending
    hangs.set()
    assert beside.end(60)


def test_what_is_given_up_is_known_until_all_is_done():
    beside = Beside()
    assert (beside.give_up(), beside.give_up(), beside.given_up) == (False, True, True)
    beside.wait()
    assert not beside.given_up


def test_piece_that_nobody_hears_ends_without_a_word(capfd):
    beside = Beside()

    def piece():
        raise KeyboardInterrupt

    beside.go_on(piece, threading.Event())
    beside.wait()
    assert capfd.readouterr().err == ""
