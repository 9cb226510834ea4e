"""The store of finished batches: found again as they were cut, each series its own, torn ones made again."""

import numpy as np
import pytest

from denoisecli.runs.batches import BatchStore

X = {"x": np.arange(3)}


@pytest.fixture
def store(tmp_path):
    return BatchStore(tmp_path)


def test_a_batch_is_its_numbers(store):
    store.put([4, 5, 6], X, {"kept": True})
    arrays, record = store.get(range(4, 7))
    assert arrays["x"].tolist() == [0, 1, 2]
    assert record == {"kept": True}
    assert store.get([4, 5]) is None
    assert store.get([5, 6, 7]) is None


def test_the_length_is_that_of_the_batch_that_is_there(store):
    assert store.length_from(4) is None
    store.put([4, 5, 6], X, {})
    assert store.length_from(4) == 3
    assert store.length_from(0) is None


def test_series_share_nothing_but_the_split(store):
    one, other = store.of("rank-1"), store.of("rank-10")
    one.put([0, 1, 2], X, {"series": 1})
    assert other.length_from(0) is None
    assert other.get([0, 1, 2]) is None
    other.put([0, 1, 2], X, {"series": 10})
    assert one.get([0, 1, 2])[1] == {"series": 1}
    assert store.length_from(0) is None
    one.keep_split(2)
    assert other.split == store.split == 2


@pytest.mark.parametrize("note", [b"", b"many", b"\xff"], ids=["empty", "a word", "no text"])
def test_a_torn_split_is_none(store, tmp_path, note):
    assert store.split is None
    (tmp_path / "batch").write_bytes(note)
    assert store.split is None


def test_a_torn_batch_is_made_again(store, tmp_path):
    store.put([0, 1, 2], X, {})
    next(tmp_path.glob("*.safetensors")).write_bytes(b"torn")
    assert store.get([0, 1, 2]) is None
    assert store.length_from(0) is None


def test_arrays_without_their_record_are_none(store, tmp_path):
    store.put([0, 1, 2], X, {})
    next(tmp_path.glob("*.json")).unlink()
    assert store.get([0, 1, 2]) is None


def test_an_empty_store_is_false(store, tmp_path):
    (tmp_path / "lora.whole.safetensors").write_bytes(b"")
    assert not store
    store.of("off").put([0, 1, 2], X, {})
    assert store
