"""Text that any file and stream takes, and values that can always be shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from denoisecli.safe_text import count_in, is_text, json_values, safe, shown, utf8


@pytest.mark.parametrize(
    ("text", "made", "whole"),
    [
        pytest.param("猫 café 😀 \ufffd", "猫 café 😀 \ufffd", True, id="text"),
        pytest.param("\ud83d\ude00", "😀", True, id="both halves of a character"),
        pytest.param("x\ud83d y", "x\ufffd y", False, id="half of one"),
        pytest.param("\ude00\ud83d", "\ufffd\ufffd", False, id="halves in the wrong order"),
        pytest.param("caf\udcc3\udca9", "café", True, id="UTF-8 in a locale without it"),
        pytest.param("caf\udce9.yaml", "caf\ufffd.yaml", False, id="Latin-1 in a name"),
        pytest.param("\udce9\udcc3\udca9", "\ufffdé", False, id="both"),
    ],
)
def test_safe(text, made, whole):
    assert safe(text) == made
    assert is_text(text) is whole
    assert utf8(text) == made.encode()


@given(st.text(st.characters() | st.characters(categories=["Cs"])))
def test_safe_text_is_utf8_and_stays(text):
    assert safe(safe(text)).encode().decode() == safe(text)


@given(st.binary(max_size=20))
def test_bytes_that_are_utf8_are_read_as_such(raw):
    text = raw.decode("ascii", "surrogateescape")  # as Python reads arguments in the C locale
    assert safe(text) == safe(raw.decode("utf-8", "surrogateescape"))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("7", 7),
        ("007", 7),
        ("9" * 18, 10**18 - 1),
        *[(text, None) for text in ("", "-1", "²", "٣", "９", "1_0", "9" * 5000)],
    ],
)  # fmt: skip
def test_counts(text, number):
    assert count_in(text) == number


def test_everything_can_be_shown():
    for value in [10**5000, -(10**5000), {1: 10**5000}, "x\ud83d" * 100, b"\xff", float("nan"), None, ...]:
        assert 0 < len(shown(value).encode()) <= 200


def test_a_list_in_itself_can_be_shown():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    assert shown(deep) == "a list that cannot be shown"
    while deep:  # else Python frees it all at once, one call inside another
        deep = deep[0]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (r'{"a\ud83d": ["\ud83d\ude00", "\ud83d"]}', {"a\ufffd": ["😀", "\ufffd"]}),
        ("[" * 100_000, None),
        ("9" * 5000, None),
        ("{torn", None),
    ],
)
def test_json_values(text, values):
    assert json_values(text) == values
