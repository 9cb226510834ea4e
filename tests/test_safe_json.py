"""JSON from elsewhere: what comes in is JSON, of a size and depth that those who read it on can bear."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from denoisecli.safe_json import MOST_DEEP, MOST_PARTS, MOST_WHOLE, parse


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "nul", "NaN", "[Infinity]", '{"x": -Infinity}', "1e999", "[-1e400]", "9" * 5000,
        "1" + "0" * 25, str(MOST_WHOLE), "[" * 100_000,
        "[" * 40 + "]" * 40, '{"x":' * 40 + "1" + "}" * 40, "[" + "[]," * MOST_PARTS + "1]",
    ],
    ids=lambda text: text[:12],
)  # fmt: skip
def test_what_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011 - whoever reads says which file
        parse(text.encode())


@pytest.mark.parametrize("raw", [b"\xff", b'"\xed\xa0\x80"', b"\x00"])
def test_what_is_no_utf8_is_refused(raw):
    with pytest.raises(ValueError):  # noqa: PT011
        parse(raw)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"\\ud83d"', "\ufffd"), ('{"\\udc00": ["x\\ud800y"]}', {"\ufffd": ["x\ufffdy"]}),
        ('"\\ud83c\\udfa8"', "\U0001f3a8"),
        (str(MOST_WHOLE - 1), MOST_WHOLE - 1), ("1e308", 1e308),
        ("0.12345678901234567890123", 0.12345678901234567890123),
        ("[" * (MOST_DEEP - 1) + "]" * (MOST_DEEP - 1), json.loads("[" * (MOST_DEEP - 1) + "]" * (MOST_DEEP - 1))),
    ],
)  # fmt: skip
def test_what_is_read(text, value):
    assert parse(text.encode()) == value


def test_who_only_lists_takes_odd_numbers_too():
    assert parse(b"[Infinity, 1e999]", lenient=True) == [float("inf")] * 2


NUMBERS = st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)


@given(st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=20,
))  # fmt: skip
def test_our_own_json_comes_back(value):
    assert parse(json.dumps(value).encode()) == value
    assert parse(json.dumps(value, ensure_ascii=False).encode()) == value
