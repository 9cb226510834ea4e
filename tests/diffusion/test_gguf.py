"""The header of a GGUF file from elsewhere: what it asks for is bounded before any library believes it."""

import struct

import pytest

from denoisecli.diffusion import gguf
from denoisecli.errors import ModelError

F32, UINT8, STRING, ARRAY, UINT32 = 0, 0, 8, 9, 4


def number(value, width=8):
    return value.to_bytes(width, "little")


def text(value):
    return number(len(value)) + value


def note(kind, value, name=b"x"):
    return text(name) + number(kind, 4) + value


def listed(kind, count, values=b""):
    return note(ARRAY, number(kind, 4) + number(count) + values)


def tensor(dims=(32,), kind=F32, place=0, name=b"a"):
    return text(name) + number(len(dims), 4) + b"".join(map(number, dims)) + number(kind, 4) + number(place)


def file(notes=(), tensors=(), data=b"", version=3, counts=None):
    counts = (len(tensors), len(notes)) if counts is None else counts
    return b"GGUF" + struct.pack("<IQQ", version, *counts) + b"".join([*notes, *tensors]) + data


BAD = {
    "another version": (file(version=1), "version 1"),
    "the other end first": (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "version"),
    "many notes": (file(counts=(0, gguf.MOST + 1)), "65537 parts"),
    "many tensors": (file(counts=(gguf.MOST + 1, 0)), "65537 parts"),
    "fewer notes than said": (file(counts=(0, 3)), "ends in its header"),
    "fewer tensors than said": (file(counts=(3, 0)), "ends in its header"),
    "a text beyond the end": (file([number(2**64 - 1)]), "ends in its header"),
    "a value beyond the end": (file([note(STRING, number(2**63))]), "ends in its header"),
    "a list beyond the end": (file([listed(UINT8, 200_000)]), "ends in its header"),
    "a list without an end": (file([listed(UINT8, 2**62)]), "list more than"),
    "a list of four million": (file([listed(UINT8, 4_000_000, bytes(4_000_000))]), "list more than"),
    "many lists": (file([listed(UINT8, 100_000, bytes(100_000))] * 3), "list more than"),
    "lists in lists": (file([listed(ARRAY, 1, listed(ARRAY, 1))]), "no note has the kind 9"),
    "an unknown kind of note": (file([note(77, b"")]), "no note has the kind 77"),
    "many axes": (file(tensors=[tensor([1] * 9)]), "9 axes"),
    "axes without an end": (file(tensors=[text(b"a") + number(2**32 - 1, 4)]), "axes"),
    "a tensor larger than the file": (file(tensors=[tensor([2**40, 2**40])], data=bytes(128)), "its tensors have more"),
    "a tensor behind the end": (file(tensors=[tensor(place=2**62)], data=bytes(128)), "its tensors have more"),
    "tensors in one place": (file(tensors=[tensor()] * 3, data=bytes(256)), "holds 256 bytes of weights"),
    "the start of one": (file(tensors=[tensor()], data=bytes(100)), "holds 100 bytes of weights"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_header_that_asks_for_too_much(tmp_path, name):
    pytest.importorskip("gguf")
    raw, says = BAD[name]
    (tmp_path / "m.gguf").write_bytes(raw)
    with pytest.raises(ModelError, match=rf"not a GGUF file, .*{says}"):
        gguf.check(tmp_path / "m.gguf")


def test_a_header_as_tools_write_it(tmp_path):
    notes = [note(STRING, text(b"flux"), b"general.architecture"), note(UINT32, number(32, 4), b"general.alignment")]
    notes += [listed(STRING, 2, text(b"cat") + text(b"")), listed(UINT32, 2, bytes(8)), note(12, bytes(8))]
    raw = file(notes, [tensor(name=b"a"), tensor(place=128, name=b"b"), tensor([], place=256)], bytes(300), version=2)
    (tmp_path / "m.gguf").write_bytes(raw)
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "model_index.json").write_text("{}")
    assert gguf.check(tmp_path / "m.gguf") == tmp_path / "m"
