"""Models by name: downloaded once, verified, and used without a connection."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hclip_jax.errors import UserError
from hclip_jax.weights.hub.download import local_path
from tests.hub_server import Hub, Repo
from tests.weights.sample_files import FILES

WEIGHTS = (FILES / "huggingface" / "model.safetensors").read_bytes()
CONFIG = (FILES / "huggingface" / "config.json").read_bytes()


@pytest.fixture(autouse=True)
def repos(hub: Hub) -> None:
    hub.repos["models/me/clip"] = Repo({"model.safetensors": WEIGHTS, "config.json": CONFIG, "x.md": b"x"})
    hub.repos["models/me/secret"] = Repo({"model.safetensors": WEIGHTS}, token="hf_reader")
    hub.repos["models/me/gated"] = Repo({"model.safetensors": WEIGHTS}, gated=True)
    hub.repos["spaces/you/weights"] = Repo({"model_base.pth": b"p" * 1000, "app.py": b"import os"})


def read(name: str) -> Path:
    return Path(local_path(name))


def refused(name: str) -> str:
    with pytest.raises(UserError) as error:
        local_path(name)
    message = str(error.value)
    assert message.isprintable()
    return message


def leftovers(cache: Path) -> list[str]:
    """Files of the cache with content of the weights, whole or in part."""
    return [path.name for path in cache.rglob("blobs/*") if path.stat().st_size > len(CONFIG)]


def test_a_path_is_returned_unchanged() -> None:
    for path in ("runs/vitb", Path("a.pth"), "gs://bucket/x", ""):
        assert local_path(path) is path


def test_a_model_is_downloaded_once(hub: Hub) -> None:
    folder = read("hf:me/clip")
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    hub.requests.clear()
    assert read("hf:me/clip") == folder
    assert hub.requests == ["GET api/models/me/clip"]


def test_revision_and_file(hub: Hub) -> None:
    folder = read("hf:me/clip")
    assert read("hf:me/clip@v1.0") == read("hf:me/clip@refs/pr/1") == folder
    assert read(f"hf:me/clip@{folder.name}/model.safetensors") == folder / "model.safetensors"
    assert read("hf:spaces/you/weights/model_base.pth").read_bytes() == b"p" * 1000


def test_a_new_commit_is_another_model(hub: Hub) -> None:
    old = read("hf:me/clip")
    hub.repos["models/me/clip"].files["config.json"] = b"{}"
    new = read("hf:me/clip")
    assert ((old / "config.json").read_bytes(), (new / "config.json").read_bytes()) == (CONFIG, b"{}")
    hub.stop()
    with pytest.warns(
        UserWarning, match=f"the copy of hf:me/clip in the cache is used .commit {new.name[:10]}"
    ):
        assert read("hf:me/clip") == new


@pytest.mark.parametrize("offline", [False, True])
def test_without_a_connection_the_copy_in_the_cache_is_used(
    hub: Hub, offline: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, file = read("hf:me/clip@v1.0"), read("hf:spaces/you/weights/model_base.pth")
    hub.stop()
    if offline:
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        reason = "HF_HUB_OFFLINE is set, and the cache"
    else:
        reason = f"{hub.address} cannot be reached ([Errno 111] Connection refused), and the cache"
        with pytest.warns(
            UserWarning, match="cannot be reached; the copy of hf:me/clip@v1.0 in the cache is used"
        ):
            local_path("hf:me/clip@v1.0")
    if offline:
        assert read("hf:me/clip@v1.0") == read("hf:me/clip@v1.0/model.safetensors").parent == folder
        assert read("hf:spaces/you/weights/model_base.pth") == file
    for name in ("hf:me/clip@v2", "hf:me/clip@v1.0/other.pth", "hf:you/none", "hf:spaces/you/weights"):
        assert refused(name).startswith(f"{name}: {reason}")
        assert "has no copy of it" in refused(name)


def test_a_server_with_an_error_counts_as_down(hub: Hub) -> None:
    folder = read("hf:me/clip")
    hub.status = 503
    with pytest.warns(UserWarning, match="the copy of hf:me/clip"):
        assert read("hf:me/clip") == folder
    assert f"{hub.address} answers with the status 503, and the cache" in refused("hf:me/other")
    hub.status = 200
    assert "does not answer as the Hugging Face Hub does" in refused("hf:me/clip")


def test_a_server_that_does_not_answer_counts_as_down(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = read("hf:me/clip")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_ETAG_TIMEOUT", 0.1)
    hub.seconds = 0.3
    with pytest.warns(UserWarning, match="the copy of hf:me/clip"):
        assert read("hf:me/clip") == folder
    assert "cannot be reached (timed out), and the cache" in refused("hf:me/other")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "hf:me/clpi",
            "has no model me/clpi that you may read (status 401); check the name (a space is hf:spaces/",
        ),
        (
            "hf:spaces/me/clip",
            "has no space me/clip that you may read (status 401); check the name, or, if it is",
        ),
        ("hf:me/secret", "has no model me/secret that you may read (status 401)"),
        ("hf:me/gated", "hf:me/gated is gated; ask for access on http://127.0.0.1"),
        ("hf:me/clip@v9", "me/clip has no revision 'v9'; give a branch, a tag or a commit"),
        ("hf:me/clip/a.pth", "hf:me/clip has no 'a.pth'; it has model.safetensors"),
        ("hf:spaces/you/weights", "add the file to the name: it has model_base.pth"),
    ],
)
def test_names_that_the_hub_does_not_have(name: str, message: str) -> None:
    assert message in refused(name)


def test_a_private_repository_needs_its_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    assert "has no model me/secret that you may read (status 404)" in refused("hf:me/secret")
    monkeypatch.setenv("HF_TOKEN", "hf_reader")
    assert (read("hf:me/secret") / "model.safetensors").read_bytes() == WEIGHTS


def test_a_cut_connection_is_resumed(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    hub.cuts = 3
    assert (read("hf:me/clip") / "model.safetensors").read_bytes() == WEIGHTS
    assert hub.cuts == 0


def test_a_download_that_breaks_off_leaves_nothing(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    hub.cuts, hub.cut_after = 10**6, 0
    message = refused("hf:me/clip")
    assert (
        "and the download of model.safetensors broke off; check the connection and run the command" in message
    )
    assert leftovers(tmp_path) == []
    hub.stop()
    assert "cannot be reached" in refused("hf:me/clip")  # what is there is not taken for the model
    hub.cuts = 0
    hub.start()


@pytest.mark.parametrize("file", ["model.safetensors", "config.json"])
def test_a_file_that_is_not_the_listed_one_is_refused(hub: Hub, file: str, tmp_path: Path) -> None:
    content = bytearray(hub.repos["models/me/clip"].files[file])
    content[-1] ^= 1
    hub.replaced[file] = bytes(content)
    for _ in range(2):
        message = refused("hf:me/clip")
        assert f"{file} of hf:me/clip is not the file that {hub.address} lists" in message
        assert "it was removed from the cache: run the command again" in message
    hub.replaced.clear()
    assert (read("hf:me/clip") / file).read_bytes() == hub.repos["models/me/clip"].files[file]


def test_a_damaged_file_in_the_cache_is_refused_once(hub: Hub) -> None:
    weights = read("hf:me/clip/model.safetensors")
    damaged = bytearray(WEIGHTS)
    damaged[-1] ^= 1
    weights.write_bytes(damaged)
    assert "is not the file" in refused("hf:me/clip")
    assert (read("hf:me/clip") / "model.safetensors").read_bytes() == WEIGHTS


def test_a_disk_that_is_too_small_is_refused_before_the_download(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    message = refused("hf:me/clip")
    assert (
        f"takes {len(WEIGHTS) + len(CONFIG):,} bytes, but the disk of {tmp_path / 'hub'} has only 1,000"
        in message
    )
    assert not any("resolve" in request for request in hub.requests)


def test_a_cache_that_cannot_be_written_is_one_sentence(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "hub").write_text("a file")
    assert "hf:me/clip cannot be stored" in refused("hf:me/clip")
    assert "set HF_HOME to a folder" in refused("hf:me/clip")


@pytest.mark.parametrize("endpoint", ["localhost", "http://[", "http://127.0.0.1:1"])
def test_a_wrong_endpoint_is_one_sentence(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", endpoint)
    assert endpoint in refused("hf:me/clip")


def test_the_environment_names_endpoint_cache_token_and_offline_mode(hub: Hub, tmp_path: Path) -> None:
    code = (
        "import sys; from hclip_jax.weights.hub.download import local_path; print(local_path('hf:me/secret'))"
    )
    usual = {"HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path / "home"), "HF_TOKEN": "hf_reader"}

    def run(**more: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, **usual, **more}
        return subprocess.run(
            [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False
        )

    path = run().stdout.strip()
    assert path.startswith(str(tmp_path / "home" / "hub" / "models--me--secret" / "snapshots"))
    hub.stop()
    assert run(HF_HUB_OFFLINE="1", HF_TOKEN="").stdout.strip() == path
