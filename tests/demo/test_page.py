"""A person's whole path through the page, in a headless Chromium that reaches no other host."""

import importlib.util
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import numpy as np
import pytest
from PIL import Image

from hclip_jax.tools import segment
from tests import trained
from tests.demo.browser import Browser
from tests.tools.calling import Capture, succeed

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WORDS = "cat,red wall,sky"
DEMO = (sys.executable, "-m", "hclip_jax.tools.demo")

_processes: list[subprocess.Popen[bytes]] = []  # that of `address`

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("gradio") is None, reason="needs the extra 'demo'"),
]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page of the command, which SIGTERM ends without a trace, as Ctrl-C does."""
    folder = tmp_path_factory.mktemp("demo")
    trained.train(folder / "run")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [*DEMO, f"--model={folder / 'run'}", f"--port={port}"]
    log, temporary = folder / "log.txt", folder / "tmp"
    temporary.mkdir()
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, stdout=file, stderr=subprocess.STDOUT, env={**os.environ, "TMPDIR": str(temporary)}
        )
    _processes.append(process)
    try:
        deadline = time.monotonic() + 120
        while not (found := re.findall(r"the page is at (\S+)", log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield found[0]
        before = log.read_text()  # gradio logs refused requests
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 143
        assert log.read_text().removeprefix(before) == ""
        assert list(temporary.iterdir()) == []  # no upload and no result is left
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def image(tmp_path: Path) -> Path:
    Image.fromarray(trained.RGB).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_from_an_upload_to_the_ids_of_the_command(
    address: str, image: Path, tmp_path: Path, capsys: Capture
) -> None:
    assert CHROMIUM is not None
    browser = Browser(CHROMIUM, tmp_path / "profile")
    try:
        (tmp_path / "downloads").mkdir()
        browser.save_downloads(tmp_path / "downloads")
        browser.open(address)
        browser.wait_for("!!document.querySelector('#image input[type=file]')")
        browser.wait_for("!!document.querySelector('#segment')")

        def answer(has: str) -> str:
            browser.click("#segment")
            text = "document.querySelector('#message').innerText"
            return browser.wait_for(f"{text}.includes({has!r}) && {text}")

        def download(name: str) -> None:
            browser.wait_for("!document.querySelector('#download_labels').disabled")
            browser.click("#download_labels")
            deadline = time.monotonic() + 30
            while not (tmp_path / "downloads" / name).exists():
                assert time.monotonic() < deadline
                browser.evaluate("1")
                time.sleep(0.1)

        assert "there is no image" in answer("error")
        browser.upload("#image input[type=file]", image)
        browser.wait_for("!!document.querySelector('#image img')")
        browser.type("#class_names textarea", "")
        assert "there are no class names" in answer("no class names")
        browser.type("#class_names textarea", "*a* <b>,*A* <b>")  # shown as it is, neither Markdown nor HTML
        assert "'*a* <b>' and '*A* <b>'" in answer("distinct")
        browser.type("#class_names textarea", WORDS)
        assert "56 x 40 pixels" in answer("found")
        browser.wait_for("document.querySelectorAll('#masks img').length > 1")
        browser.wait_for("document.querySelector('#masks').innerText.includes('%')")  # the legend
        browser.screenshot(tmp_path / "page.png")
        download("photo.png")
        browser.click("tbody tr:nth-child(2)")  # an example
        browser.wait_for("document.querySelector('#class_names textarea').value.includes('thing')")
        assert "235 x 193 pixels" in answer("235 x 193")
        large = tmp_path / "large.png"
        with large.open("wb") as file:
            file.truncate(100_000_000)
        browser.open(address)
        browser.wait_for("!!document.querySelector('#image input[type=file]')")
        browser.upload("#image input[type=file]", large)
        browser.wait_for("document.body.innerText.includes('exceed the maximum allowed size')")
        tiff, size = tmp_path / "scan.tif", f"{trained.RGB.shape[1]} x {trained.RGB.shape[0]} pixels"
        Image.fromarray(trained.RGB).save(tiff)
        browser.open(address)
        browser.wait_for("!!document.querySelector('#image input[type=file]')")
        browser.upload("#image input[type=file]", tiff)
        browser.wait_for("document.querySelector('#image img')?.naturalWidth > 0")  # not a broken image
        browser.type("#class_names textarea", WORDS)
        assert size in answer("found")
        browser.screenshot(tmp_path / "tiff.png")
        download("scan.png")
        hosts = {url.split("/")[2] for url in browser.urls if url.startswith("http")}
        assert hosts == {address.split("/")[2]}
    finally:
        browser.close()

    run = trained.train(tmp_path / "run")
    model = f"--model={run}"
    succeed(segment.main, image, model, f"--classes={WORDS}", f"--output={tmp_path / 'out'}", capture=capsys)
    with Image.open(tmp_path / "out/photo.png") as theirs:
        for name in ("photo.png", "scan.png"):
            with Image.open(tmp_path / "downloads" / name) as ours:
                np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))


def test_ten_clicks_at_once_are_answered_one_after_another(address: str, image: Path, tmp_path: Path) -> None:
    from gradio_client import Client, handle_file

    text = tmp_path / "notes.png"
    text.write_text("words")
    client = Client(address, verbose=False)
    mode = "fast: one view of the whole image"
    files = [handle_file(text if click == 4 else image) for click in range(10)]
    jobs = [client.submit(file, WORDS, "", 0, 0.5, mode, api_name="/segment") for file in files]
    messages = [job.result(timeout=120)[1] for job in jobs]
    assert "cannot read notes.png as an image" in messages.pop(4)
    assert {message.partition(",")[0] for message in messages} == {"56 x 40 pixels"}


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_an_upload_onto_a_full_disk_is_a_sentence(address: str, tmp_path: Path) -> None:
    assert CHROMIUM is not None
    process, large = _processes[-1], tmp_path / "large.png"
    large.write_bytes(os.urandom(2_000_000))
    limits = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    browser = Browser(CHROMIUM, tmp_path / "profile")
    try:
        browser.open(address)
        browser.wait_for("!!document.querySelector('#image input[type=file]')")
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (500_000, limits[1]))
        browser.upload("#image input[type=file]", large)
        browser.wait_for("document.body.innerText.includes('disk or memory of the machine do not suffice')")
        browser.screenshot(tmp_path / "full.png")
    finally:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, limits)
        browser.close()


def test_a_port_in_use_is_a_sentence(tmp_path: Path) -> None:
    trained.train(tmp_path / "run")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [*DEMO, f"--model={tmp_path / 'run'}", f"--port={port}"]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"error: no page can be served at 127.0.0.1:{port} ")
    assert "give another --port" in line


@pytest.mark.parametrize("meta", [{"meta": {"_type": "gradio.FileData"}}, {}])
def test_a_file_of_the_machine_cannot_be_asked_for(address: str, meta: dict, image: Path) -> None:
    """The image must be an upload: another path is no answer, with or without gradio's mark."""
    fields = [{"path": str(image), **meta}, WORDS, "", 0, 0.5, "fast: one view of the whole image"]
    call = Request(f"{address}gradio_api/call/segment", json.dumps({"data": fields}).encode())
    call.add_header("Content-Type", "application/json")
    with urlopen(call, timeout=60) as reply:
        event = json.loads(reply.read())["event_id"]
    with urlopen(f"{address}gradio_api/call/segment/{event}", timeout=60) as reply:
        answer = reply.read().decode()
    assert "event: error" in answer or "the image is no upload to this page" in answer
    assert "pixels" not in answer
