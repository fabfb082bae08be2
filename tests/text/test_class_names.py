from pathlib import Path

import pytest

from hclip_jax.errors import UserError
from hclip_jax.text.class_names import check_class_names, read_class_names, split_synonyms


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


def test_split_synonyms() -> None:
    assert split_synonyms("building, edifice") == ["building", "edifice"]
    assert split_synonyms("1,000 dollars") == ["1,000 dollars"]
    with pytest.raises(UserError, match="class 'cat, , dog' holds an empty synonym"):
        split_synonyms("cat, , dog")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\n\n", "holds no class names"),
        (b"\ncat", "line 1 is ''"),
        (b"cat\n\nsky", "line 2 is ''"),
        (b"cat\nsky\n--\n", "line 3 is '--'"),
        (b"cat\nsky\ncat ", "line 1 and line 3 are both 'cat'"),
        (b"cat\n\xff", "not UTF-8 text"),
    ],
)
def test_invalid_lists(tmp_path: Path, content: bytes, message: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(UserError, match=message) as caught:
        read_class_names(path)
    assert str(path) in str(caught.value)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.txt .*No such file"):
        read_class_names(tmp_path / "nowhere.txt")


def test_names_of_a_flag() -> None:
    assert check_class_names(["cat", " sky "], "--classes") == ("cat", "sky")
    with pytest.raises(UserError, match="--classes: name 1 and name 3 are both 'cat'"):
        check_class_names(["cat", "sky", "cat"], "--classes")
