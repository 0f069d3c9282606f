"""Discovery: which files the paths stand for, and how their text is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradlint.discovery import Patterns, decode, find, read
from gradlint.finding import FileError


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository."""
    files = {
        ".git/HEAD": "",
        ".gitignore": "generated/\n*_pb2.py\n",
        "main.py": "",
        "stub.pyi": "",
        "notes.txt": "",
        "net_pb2.py": "",
        "generated/a.py": "",
        "generated/deep/b.py": "",
        "pkg/.gitignore": "!net_pb2.py\nlocal.py\n",
        "pkg/net_pb2.py": "",
        "pkg/local.py": "",
        "pkg/mod.py": "",
        ".venv/lib/x.py": "",
        "build/lib/y.py": "",
        "docs/readme.md": "",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(*paths: str) -> list[str]:
    return [f.file for f in find(paths).files]


@pytest.mark.usefixtures("tree")
def test_a_folder_is_walked_as_git_sees_it() -> None:
    assert names(".") == ["build/lib/y.py", "main.py", "pkg/mod.py", "pkg/net_pb2.py", "stub.pyi"]


@pytest.mark.usefixtures("tree")
def test_a_folder_below_is_seen_alike() -> None:
    assert names("pkg") == ["pkg/mod.py", "pkg/net_pb2.py"]


@pytest.mark.usefixtures("tree")
def test_named_files_and_folders_are_always_taken() -> None:
    assert names("net_pb2.py", "notes.txt") == ["net_pb2.py", "notes.txt"]
    assert names("generated") == ["generated/a.py", "generated/deep/b.py"]
    assert names(".venv") == [".venv/lib/x.py"]


@pytest.mark.usefixtures("tree")
def test_the_order_of_the_paths_does_not_matter_and_nothing_comes_twice() -> None:
    one = find(["pkg", "main.py", "."])
    assert one == find([".", "./pkg/", "main.py", "main.py"])
    assert [f.file for f in one.files] == names(".")
    assert [f.file for f in one.files if f.named] == ["main.py"]


def test_excludes(tree: Path) -> None:
    patterns = [Patterns(tree, ["pkg/", "stub.*"])]
    assert [f.file for f in find(["."], patterns).files] == ["build/lib/y.py", "main.py"]
    assert [f.file for f in find(["pkg/mod.py", "pkg"], patterns).files] == ["pkg/mod.py", "pkg/net_pb2.py"]
    assert find(["pkg/mod.py", "pkg", "stub.pyi"], patterns, force=True).files == ()


@pytest.mark.usefixtures("tree")
def test_a_missing_path_is_an_error_and_the_others_count() -> None:
    found = find(["nowhere.py", "main.py"])
    assert [f.file for f in found.files] == ["main.py"]
    assert found.errors == (FileError("nowhere.py", 1, 1, "unreadable", "no such file or folder"),)


@pytest.mark.usefixtures("tree")
def test_a_folder_without_python_files_is_noted() -> None:
    assert find(["docs"]).notes == ("no Python files in docs",)


def test_files_elsewhere_keep_their_whole_path(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree / "docs")
    assert names("../main.py") == [(tree / "main.py").as_posix()]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        ("é = 1\n".encode(), "é = 1\n"),
        (b"\xef\xbb\xbfx = 1\n", "x = 1\n"),
        (b"# -*- coding: latin-1 -*-\n\xe9 = 1\n", "# -*- coding: latin-1 -*-\né = 1\n"),
        (b"#!x\n# vim: set fileencoding=cp1252 :\ns = '\x80'\n", "#!x\n# vim: set fileencoding=cp1252 :\ns = '€'\n"),
        (b"a = 1\r\nb = 2\rc = 3\n", "a = 1\nb = 2\nc = 3\n"),
    ],
    ids=["empty", "utf-8", "bom", "latin-1", "cookie-in-line-2", "newlines"],
)
def test_decode(data: bytes, text: str) -> None:
    assert decode(data, "a.py") == text


@pytest.mark.parametrize(
    ("data", "line", "column", "words"),
    [
        (b"x = 1\ny = 2\ns = '\xe9'\n", 3, 6, "byte 0xe9 is not utf-8"),
        (b"s = '\xe9'\n", 1, 6, "byte 0xe9 is not utf-8"),
        ("é = '".encode() + b"\xff'", 1, 6, "byte 0xff is not utf-8"),
        (b"# coding: klingon\n", 1, 1, "unknown encoding: klingon"),
        (b"# coding: rot13\n", 1, 1, "rot13"),
        ("x = 1\n".encode("utf-16"), 1, 1, "byte 0xff is not utf-8"),
    ],
)
def test_what_cannot_be_decoded(data: bytes, line: int, column: int, words: str) -> None:
    error = decode(data, "a.py")
    assert isinstance(error, FileError)
    assert (error.file, error.line, error.column, error.kind) == ("a.py", line, column, "encoding")
    assert words in error.message


def test_what_cannot_be_read(tmp_path: Path) -> None:
    error = read(tmp_path, "a.py")
    assert isinstance(error, FileError)
    assert error.kind == "unreadable"
