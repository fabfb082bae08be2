from pathlib import Path

import pytest

from hclip_jax.errors import UserError
from hclip_jax.text.class_names import check_class_names, read_class_names


def written(tmp_path: Path, content: bytes) -> Path:
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
def test_the_same_names_however_the_file_was_saved(tmp_path: Path, content: bytes) -> None:
    assert read_class_names(written(tmp_path, content)) == ("cat", "traffic light", "树")


def test_synonyms_stay_in_one_name(tmp_path: Path) -> None:
    path = written(tmp_path, b"building, edifice\nsky")
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
    ],
)
def test_a_list_that_cannot_work(tmp_path: Path, content: bytes, message: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(UserError, match=message) as caught:
        read_class_names(path)
    assert str(path) in str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.txt .*No such file"):
        read_class_names(tmp_path / "nowhere.txt")


def test_names_that_come_from_a_flag() -> None:
    assert check_class_names(["cat", " sky "], "--classes") == ("cat", "sky")
    with pytest.raises(UserError, match="--classes: name 1 and name 3 are both 'cat'"):
        check_class_names(["cat", "sky", "cat"], "--classes")
