"""Addresses and paths: what is an address, which are refused, and what is asked of each."""

import sys
from pathlib import Path

import pytest

from hclip_jax.errors import UserError
from hclip_jax.io.paths import (
    absolute,
    exists_or_link,
    files_below,
    gcs_path,
    is_address,
    local_path,
    size_of,
    to_path,
)
from tests.bucket import bucket


def test_paths_of_this_machine_stay_what_they_are(tmp_path: Path) -> None:
    for text in ("a/b", "/", ".", "gs:", "C:\\x"):
        assert to_path(text) == Path(text)
        assert not is_address(text)
    (tmp_path / "dead").symlink_to("nowhere")
    assert exists_or_link(tmp_path / "dead")
    assert absolute(Path("x")) == Path.cwd() / "x"


def test_an_address(tmp_path: Path) -> None:
    with bucket(tmp_path) as root:
        path = to_path("gs://bucket/a")
        assert is_address(path)
        assert str(path / "b") == "gs://bucket/a/b"
        assert absolute(path) == path
        assert not exists_or_link(path)
        (path / "b" / "c").write_bytes(b"123")
        assert (tmp_path / "a/b/c").read_bytes() == b"123"
        assert size_of(path / "b" / "c") == 3
        assert list(files_below(root)) == ["a/b/c"]


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("ftp://host/x", "ftp://host/x is no address that can be read: give gs://.*s3://.*az://.*gcs"),
        ("file:///x", "file:///x is no address"),
        ("gs://", "gs:// names no bucket: give gs://BUCKET/FOLDER"),
    ],
)
def test_other_addresses_are_refused(address: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        to_path(address)


def test_names_on_the_hub_are_no_addresses() -> None:
    assert str(to_path("hf:openai/clip")) == str(to_path("hf://openai/clip")) == "hf:openai/clip"
    with pytest.raises(UserError, match="hf://openai/clip is no address"):
        gcs_path("hf://openai/clip")


def test_checkpoints_and_records_lie_at_gs_alone() -> None:
    with pytest.raises(UserError, match=r"s3://b/x is no address .*: give gs://BUCKET/FOLDER or"):
        gcs_path("s3://b/x")


@pytest.mark.parametrize(
    ("scheme", "package", "install"),
    [("gs", "gcsfs", r"'hclip_jax\[gcs\]'"), ("s3", "s3fs", "s3fs"), ("az", "adlfs", "adlfs")],
)
def test_a_missing_package_is_named(
    scheme: str, package: str, install: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    message = f"{scheme}://b/x cannot be read without {package}: install it by pip install {install}"
    with pytest.raises(UserError, match=message):
        to_path(f"{scheme}://b/x")


def test_where_only_this_machine_will_do() -> None:
    with pytest.raises(UserError, match="gs://b/x is an address; give a path of this machine"):
        local_path("gs://b/x")
