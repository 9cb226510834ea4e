"""The table of a batch: a row for each thing that a worker has in hand."""

import pytest

from denoisecli.batch.messages import Progress, Settled
from denoisecli.cli.batch_table import TableLook
from denoisecli.cli.console import Console


@pytest.fixture
def table():
    look = TableLook(Console.set_up(json=False, quiet=False, verbose=False), 4)
    yield look
    look.close()


def at(table):
    return [(now.worker, now.label, now.stage) for now in table.at.values()]


def test_a_row_for_each_run_in_hand(table):
    """One is drawn while the next ones are sampled at once."""
    table.show(Progress(1, "seed=1", "figures", 1, 5, (0,)))
    table.show(Progress(1, "2 runs at once", "sample", 3, 8, (1, 2)))
    table.show(Progress(1, "seed=1", "figures", 2, 5, (0,)))
    assert sorted(at(table)) == [(1, "2 runs at once", "sample"), (1, "seed=1", "figures")]
    table.show(Settled(0, 1, made=True))
    assert at(table) == [(1, "2 runs at once", "sample")]
    table.show(Progress(1, "seed=2", "decode", 1, 9, (1,)))
    assert at(table) == [(1, "seed=2", "decode")]
    table.show(Settled(1, 1, made=False))
    assert at(table) == []
