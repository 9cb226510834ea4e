"""What somebody may have put into a file: values of every kind, in the shapes that our readers look for."""

from hypothesis import strategies as st

DEEP = "[" * 3000 + "]" * 3000
WORDS = st.sampled_from(
    ["", " ", "7", "-1", "1e999", "nan", "NaN", "0x" + "f" * 5000, "9" * 400, "9" * 5000, "true", "null", "~", "[1]",
     "a: b", "{", "\x85", "\u2028", "\ufeff", "\0", "\x1b[2J", "\ud83d", "\udcff", "\U0001f3a8", "../x", "C:\\x",
     "<lora:a:1>", "<lora:x:" + "9" * 400 + ">", "a" * 300, "😀" * 200, "__proto__"]
)  # fmt: skip
TEXTS = WORDS | st.text(max_size=30) | st.text(st.characters(categories=["Cs", "Cc", "Zl", "Zp", "Lu"]), max_size=8)
NUMBERS = (
    st.integers()
    | st.floats()
    | st.sampled_from([10**400, -(10**400), 10**4000, 2**63, 2**64, 1e308, 1e-320, 0.5, -0.0])
)
PLAIN = st.none() | st.booleans() | NUMBERS | TEXTS
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4), max_leaves=8
)
"""JSON's values, and text that JSON can spell though UTF-8 cannot."""


def tables(keys, values=VALUES, most=12):
    """Tables under keys that a reader knows, and a few that it doesn't."""
    return st.dictionaries(st.sampled_from(sorted(keys)) | TEXTS, values, max_size=most)
