import pytest

from denoisecli.amounts import size_words


@pytest.mark.parametrize(
    ("count", "three", "two"),
    [
        (0, "0 B", "0 B"), (999, "999 B", "999 B"), (1000, "1.0 kB", "1.0 kB"), (9960, "10.0 kB", "10 kB"),
        (34_460, "34.5 kB", "34 kB"), (99_960, "100 kB", "100 kB"), (999_600, "1.0 MB", "1.0 MB"),
        (14_900_000, "14.9 MB", "15 MB"), (3.4e9, "3.4 GB", "3.4 GB"), (1.2e12, "1.2 TB", "1.2 TB"),
        (2e15, "2000 TB", "2000 TB"),
    ],
)  # fmt: skip
def test_bytes_in_words(count, three, two):
    assert (size_words(count), size_words(count, 2)) == (three, two)
