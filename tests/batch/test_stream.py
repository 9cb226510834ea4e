"""Documents that come on a pipe: each is taken when it has ended, whatever pieces it came in."""

import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from denoisecli.batch.messages import Outcome, Waiting
from denoisecli.batch.place import Place
from denoisecli.batch.stream import MAX_BYTES, Stream, arriving, split
from denoisecli.batch.variations import product
from tests.batch.bodies import outcome

SMALL = ("size=64", "steps=2")


@pytest.mark.parametrize(
    ("text", "documents"),
    [
        pytest.param(b"a: 1\nb: 2\n", [b"a: 1\nb: 2\n"], id="one, ended by the input"),
        pytest.param(b"a: 1", [b"a: 1"], id="no line end"),
        pytest.param(b"---\na: 1\n---\na: 2\n...\n", [b"\na: 1\n", b"\na: 2\n"], id="marks"),
        pytest.param(
            b"--- {a: 1}\n--- # note\na: 2\r\n---\r\n", [b" {a: 1}\n", b" # note\na: 2\r\n"], id="on its line"
        ),
        pytest.param(b"----\n-- a\n---b\n", [b"----\n-- a\n---b\n"], id="what is no mark"),
        pytest.param(b'{"a": 1}\n{"a": 2}\n', [b'{"a": 1}\n', b'{"a": 2}\n'], id="a JSON object a line"),
        pytest.param(b'{\n "a": {\n "b": 1\n }\n}\n{}\n', [b'{\n "a": {\n "b": 1\n }\n}\n', b"{}\n"], id="many lines"),
        pytest.param(b"{a: 1}\n---\n{b: }\n", [b"{a: 1}\n", b"\n{b: }\n"], id="braces that are YAML wait for a mark"),
        pytest.param(b"a: '}'\nb: |\n  {}\n", [b"a: '}'\nb: |\n  {}\n"], id="braces inside"),
        pytest.param(b'{a: 5"}\n---\n{"b": 1}\n', [b'{a: 5"}\n', b'\n{"b": 1}\n'], id="a quote that is not closed"),
        pytest.param(b"\n# note\n---\n---\n\n...\n", [], id="nothing"),
        pytest.param(b"", [], id="no input"),
    ],
)
def test_where_documents_end(text, documents):
    assert list(split([text])) == documents
    assert list(split([text[at : at + 1] for at in range(len(text))])) == documents


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_whatever_comes_is_handed_on_in_its_order(chunks):
    """Only parting lines, and documents of nothing but notes, are left out."""
    text, at = b"".join(chunks), 0
    for document in split(chunks):
        at = text.index(document, at) + len(document)


@pytest.mark.parametrize("line", [b"a: 1\n", b"x" * 5000, b"}\n"])
def test_a_document_without_an_end_is_bounded(line):
    many = (line for _ in range(3 * MAX_BYTES // len(line)))
    [long] = split([*many, b"\n---\n"])
    assert MAX_BYTES < len(long) <= MAX_BYTES + len(line)


def test_what_has_not_come_yet_is_not_waited_for():
    ours, theirs = os.pipe()
    found = arriving(ours)
    assert next(found) is None
    os.write(theirs, b"a: 1\n--")
    assert next(found) is None
    os.write(theirs, b"-\nb: 2\n")
    assert next(one for one in found if one is not None) == b"a: 1\n"
    assert next(found) is None
    os.close(theirs)
    assert [one for one in found if one is not None] == [b"\nb: 2\n"]
    os.close(ours)


class Asking:
    """An engine that makes what it is handed; `told` is what it was handed, an empty pack where nothing was there."""

    def __init__(self):
        self.told = []

    def run(self, packs):
        for pack in packs:
            self.told.append([run.number for run in pack])
            yield from ([outcome(run, "made") for run in pack] if pack else [Waiting()])


def test_what_is_there_goes_together_and_what_cannot_be_read_is_told(tmp_path):
    """The bad document is told as soon as those before it are, and the rest of the stream goes on."""
    texts = [b"lab: sample\nseeds: [1]", b"lab: sample\nseeds: [2]", b"lab: nosuch", None, None,
             b"lab: sample\nseeds: [3]", b"[1", b"\xff: 1"]  # fmt: skip
    found = Stream(iter(texts), lambda document: product(document, SMALL, []), Place(tmp_path / "runs"))
    engine = Asking()
    told = [one for one in found.run(engine, 8) if isinstance(one, Outcome)]
    assert engine.told == [[0, 1], [], [], [3]]
    assert [(one.number, one.state) for one in told] == [
        (0, "made"), (1, "made"), (2, "failed"), (3, "made"), (4, "failed"), (5, "failed"),
    ]  # fmt: skip
    assert [one.error.partition(":")[0] for one in told if one.error] == ["document 3", "document 5", "document 6"]


def test_the_same_config_twice_is_made_once(tmp_path):
    texts = [b"lab: sample", None, b'{"lab": "sample"}']
    found = Stream(iter(texts), lambda document: product(document, SMALL, []), Place(tmp_path / "runs"))
    told = [one.state for one in found.run(Asking(), 8) if isinstance(one, Outcome)]
    assert told == ["made", "skipped"]


@pytest.mark.parametrize("more", [(), ("seed=1-3",)])
def test_variations_hold_for_every_document(tmp_path, more):
    texts = [b"lab: sample\ncfg: 3", b"lab: sample\ncfg: 9"]
    found = Stream(iter(texts), lambda document: product(document, SMALL, more), Place(tmp_path / "runs"))
    engine = Asking()
    list(found.run(engine, 1))
    assert engine.told == [[number] for number in range(6 if more else 2)]


def test_reading_does_not_keep_the_process(tmp_path):
    """Its thread may wait for ever: on a terminal nobody types at, or a pipe that nobody closes."""
    ours, _theirs = os.pipe()
    next(arriving(ours))
    assert all(thread.daemon for thread in threading.enumerate() if thread.name.endswith("(wait)"))
