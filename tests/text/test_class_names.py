import os
import time
from pathlib import Path

import pytest

from hclip_jax.errors import UserError
from hclip_jax.text import tokenizer
from hclip_jax.text.class_names import check_class_names, read_class_names


def write(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "names.txt"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "content",
    [
        b"cat\ntraffic light\n\xe6\xa0\x91",
        b"\xef\xbb\xbfcat\r\n traffic light \r\n\xe6\xa0\x91\r\n",
        b"cat\ntraffic light\n\xe6\xa0\x91\n\n  \n",
    ],
    ids=["plain", "Windows", "trailing blank lines"],
)
def test_names_do_not_depend_on_the_editor(tmp_path: Path, content: bytes) -> None:
    assert read_class_names(write(tmp_path, content)) == ("cat", "traffic light", "树")


def test_synonyms_stay_in_one_name(tmp_path: Path) -> None:
    path = write(tmp_path, b"building, edifice\nsky")
    assert read_class_names(path) == ("building, edifice", "sky")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\n\n", "holds no class names"),
        (b"\ncat", "line 1 is ''"),
        (b"cat\n\nsky", "line 2 is ''"),
        (b"cat\nsky\n--\n", "line 3 is '--'"),
        (b"cat\nsky\ncat ", "line 1 and line 3 are both 'cat'"),
        (b"cat\n\xff", "not UTF-8 text"),
        (
            b"Sky\nsea\nsky",
            "line 1 and line 3 are 'Sky' and 'sky', which CLIP reads as the same words, 'sky'",
        ),
        (b"cat\nx y\nx\xc2\xa0y", r"line 2 and line 3 are 'x y' and 'x\\xa0y', which CLIP reads"),
        (b"cat\n&nbsp;", "line 2 is '&nbsp;', which CLIP reads as '', but a class name needs a letter"),
        (b"cat\nsky, --", "line 2 is 'sky, --', which CLIP reads as '--'"),
        (b"cat\n, dog", "line 2: class ', dog' holds an empty synonym"),
        (
            b"cat\n" + 10_000 * b"ab ",
            "line 2 is 'ab ab .*has 29,999 characters, but a class name has at most",
        ),
        (
            b"cat\n" + 900 * b"x",
            "line 2: the word 'x*...' has 900 characters, but the tokenizer takes at most",
        ),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS"),
        (b"<!DOCTYPE html>\n<html>", "is a web page"),
    ],
)
def test_invalid_lists(tmp_path: Path, content: bytes, message: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(UserError, match=message) as caught:
        read_class_names(path)
    assert str(path) in str(caught.value)


def test_the_first_synonym_may_be_repeated(tmp_path: Path) -> None:
    # ADE-847 has such names.
    path = write(tmp_path, b"pot, flowerpot\npot")
    assert read_class_names(path) == ("pot, flowerpot", "pot")


def test_a_name_of_30_000_letters_costs_no_time(tmp_path: Path) -> None:
    start = time.monotonic()
    for letters in ("x" * 30_000, "x" * 999):
        with pytest.raises(UserError, match="characters"):
            read_class_names(write(tmp_path, letters.encode()))
        with pytest.raises(UserError, match="characters"):
            tokenizer.encode(letters)
    assert time.monotonic() - start < 5


@pytest.mark.parametrize(
    ("content", "message"),
    [("folder", "is a folder"), ("pipe", "is a device or pipe"), ("large", "more than")],
)
def test_only_files_of_a_few_megabytes_are_read(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "classes.txt"
    if content == "folder":
        path.mkdir()
    elif content == "pipe":
        os.mkfifo(path)
    else:
        with path.open("wb") as file:
            file.write(b"cat\n")
            file.truncate(2**30)
    with pytest.raises(UserError, match=message):
        read_class_names(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.txt .*No such file"):
        read_class_names(tmp_path / "nowhere.txt")


def test_names_of_a_flag() -> None:
    assert check_class_names(["cat", " sky "], "--classes") == ("cat", "sky")
    with pytest.raises(UserError, match="--classes: name 2 is 3, but a class name is text"):
        check_class_names(["cat", 3], "--classes")  # pyrefly: ignore[bad-argument-type]
    with pytest.raises(UserError, match=r"--classes: name 1 is 'cat\\ndog', which has several lines"):
        check_class_names(["cat\ndog"], "--classes")
    with pytest.raises(UserError, match="--classes: name 1 and name 3 are both 'cat'"):
        check_class_names(["cat", "sky", "cat"], "--classes")
