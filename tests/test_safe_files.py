"""What a name leads to is looked at before it is read, and a record's name means the same below any folder."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from denoisecli.safe_files import (
    BadName,
    NotAFile,
    TooLarge,
    check_file,
    inside,
    open_file,
    open_inside,
    plain_name,
    read_file,
    read_inside,
    why,
)

POSIX = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names, no device files")


def a_socket(path):
    here = Path.cwd()
    os.chdir(path.parent)  # a socket's path has room for a hundred characters
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


def unreadable(path):
    path.write_text("x")
    path.chmod(0)


STRANGE = [
    pytest.param(lambda path: None, "is not there", id="nothing"),
    pytest.param(lambda path: path.mkdir(), "is not a file but a folder", id="folder"),
    pytest.param(lambda path: os.mkfifo(path), "is not a file but a pipe", id="pipe"),
    pytest.param(a_socket, "is not a file but a socket", id="socket"),
    pytest.param(lambda path: path.symlink_to("/dev/zero"), "is not a file but a device", id="link to a device"),
    pytest.param(lambda path: path.symlink_to("nowhere"), "is a link to what is not there", id="dangling link"),
    pytest.param(lambda path: path.symlink_to(path.name), "is a link that leads in a circle", id="looping link"),
    pytest.param(lambda path: path.symlink_to("."), "is not a file but a folder", id="link to a folder"),
]


@POSIX
@pytest.mark.parametrize("read", [open_file, check_file, lambda path: read_file(path, 100)])
@pytest.mark.parametrize(("make", "says"), STRANGE)
def test_what_is_no_file_is_said_at_once(tmp_path, make, says, read):
    make(tmp_path / "x")
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the words are ours
        read(tmp_path / "x")
    assert why(caught.value) == says


@POSIX
@pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_not_told_as_absence(tmp_path):
    unreadable(tmp_path / "x")
    with pytest.raises(PermissionError) as caught:
        open_file(tmp_path / "x")
    assert why(caught.value) == "may not be read by you"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        pytest.param("x" * 5000, "has too long a name", id="5000 letters"),
        pytest.param("a\0b", "is not the name of a file", id="NUL"),
        pytest.param("\ud800", "is not the name of a file", id="half a character"),
    ],
)
def test_names_that_are_none(tmp_path, name, says):
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the words are ours
        open_file(f"{tmp_path}/{name}")
    assert why(caught.value) == says


def test_a_file_is_read_up_to_a_bound(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"12345")
    assert read_file(path, 5) == b"12345"
    with pytest.raises(TooLarge, match="is larger than 4 bytes"):
        read_file(path, 4)
    with pytest.raises(TooLarge), open_file(path, most=4):
        pass


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc")
def test_a_file_that_says_it_is_empty_is_bounded_too():
    assert Path("/proc/self/status").stat().st_size == 0
    with pytest.raises(TooLarge):
        read_file("/proc/self/status", 100)


def test_links_are_followed_only_where_they_may_be(tmp_path):
    (tmp_path / "real").write_bytes(b"1")
    (tmp_path / "link").symlink_to("real")
    assert read_file(tmp_path / "link", 9) == b"1"
    with pytest.raises(NotAFile, match="is a link, and links are not followed"):
        open_file(tmp_path / "link", links=False)


@POSIX
def test_a_pipe_that_the_shell_hands_over_is_read():
    code = "from denoisecli.safe_files import read_file; print(read_file(__import__('sys').argv[1], 99, handed=True))"
    command = f"'{sys.executable}' -c \"{code}\" <(echo one) && echo two | '{sys.executable}' -c \"{code}\" /dev/stdin"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [r"b'one\n'", r"b'two\n'"]


BAD_NAMES = [
    "", ".", "..", "/", "/etc/passwd", "//x", "../x", "a/../b", "a/..", "a/./b", "./a", "a//b", "a/", "a\0b", "a\nb",
    "\\x", "a\\..\\b", "C:x", "c:/x", "a\u2028b", "a\u2029b", "a\u0085b", "a\u202eb", "a\u200bb", "\ud800", "\x7f",
    "x" * 256, "é" * 128, "/".join(["x" * 200] * 6), None, 1, 1.5, True, [], ["a"], {}, b"a",
]  # fmt: skip


@pytest.mark.parametrize("name", BAD_NAMES, ids=lambda name: ascii(name)[:20])
def test_names_that_no_record_may_give(tmp_path, name):
    with pytest.raises(BadName):
        plain_name(name)
    with pytest.raises(BadName):
        inside(tmp_path, name)


@pytest.mark.parametrize(
    "name", ["film.mp4", "images/seed-7.png", "a b/ü…/猫.png", ".hidden", "...", "a..b", "x" * 255]
)
def test_names_that_are_fine(tmp_path, name):
    assert plain_name(name) == name
    assert inside(tmp_path, name) == tmp_path / name


@given(st.text(max_size=30) | st.lists(st.sampled_from(["..", ".", "", "a", "b\\", "C:"]), max_size=6).map("/".join))
def test_a_plain_name_stays_below_any_folder(name):
    try:
        plain_name(name)
    except BadName:
        return
    for folder in ("/a/b", "x", "/"):
        joined = os.path.normpath(os.path.join(folder, name))  # noqa: PTH118 - lexically
        assert joined.startswith(folder)
        assert len(Path(joined).parts) == len(Path(folder).parts) + name.count("/") + 1


@pytest.mark.parametrize("name", ["link", "link/x", "a/link/x", "dangling", "a/loop/x"])
def test_no_link_leads_to_a_file_of_a_run(tmp_path, name):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "x").write_text("mine")
    run = tmp_path / "run"
    (run / "a").mkdir(parents=True)
    for place in (run, run / "a"):
        (place / "link").symlink_to(secret)
    (run / "dangling").symlink_to("nowhere")
    (run / "a" / "loop").symlink_to("loop")
    with pytest.raises(BadName, match="link"):
        inside(run, name)
    with pytest.raises(NotAFile, match="link"):
        open_inside(run, name)


def test_the_folder_itself_may_be_a_link(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "x").write_bytes(b"1")
    (tmp_path / "link").symlink_to("run")
    assert read_inside(tmp_path / "link", "x", 9) == b"1"
    with pytest.raises(FileNotFoundError):
        read_inside(tmp_path / "link", "y", 9)
