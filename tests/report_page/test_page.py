"""report.html from the files of a work directory."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hclip_jax.evaluation.confusion_matrix import ConfusionMatrix
from hclip_jax.evaluation.image_counts import ImageCounts
from hclip_jax.evaluation.report import write_report
from hclip_jax.io.files import write_png
from hclip_jax.report_page.page import write_page
from hclip_jax.training.metrics import read_metrics
from hclip_jax.training.page import update_page

NAMES = ("cat", "<b>dog</b>", "sky & sea")
START = {"time": 1.0, "processes": 1, "devices": 2, "device_kind": "cpu", "mesh": "2x1"}


class Elements(HTMLParser):
    """Counts elements, and checks that each is closed and none names another file or host."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: dict[str, int] = {}
        self.open: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1
        for name, value in attrs:
            assert name not in ("href", "action", "srcset")
            assert name != "src" or value.startswith("data:image/jpeg;base64,")
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def parse(path: Path) -> Elements:
    text = path.read_text()
    assert not re.search("https?://|<script|@import|url\\(", text)
    elements = Elements()
    elements.feed(text)
    assert not elements.open
    return elements


@pytest.fixture
def workdir(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    confusion, rows = ConfusionMatrix(NAMES), []
    names = [f"image {k}" for k in range(12)]
    for k, name in enumerate(names):
        label = rng.integers(0, 3, (8, 8))
        rows.append(confusion.update(np.where(rng.random((8, 8)) < k / 12, label, 0), label))
        write_png(tmp_path / "overlays/val" / f"{name}.png", Image.new("RGB", (40, 20)))
    counts = ImageCounts.from_rows(NAMES, names, rows)
    write_report(tmp_path / "evaluation", "val", confusion, counts, {"step": 4})
    step = {"learning_rate_head": 0.1, "grad_norm": 2.0, "text_energy": 1.0, "memory": 2**30}
    lines = [
        {"step": 0, "start": {**START, "parameters": {"adapters": [1234567, 0]}}},
        *({"step": k, "loss": 1 / k, **step, "seconds_left": 60 * (4 - k)} for k in range(1, 5)),
        *({"step": k, "evaluation": {"val": {"mIoU": 10.0 * k}, "no pixel": {"mIoU": None}}} for k in (2, 4)),
        {"step": 4, "end": {"seconds": 10.0, "step_seconds": 8.0}},
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "config.json").write_text(json.dumps({"seed": 7}))
    return tmp_path


def test_the_page_shows_the_whole_training(workdir: Path) -> None:
    path = write_page(workdir, read_metrics(workdir / "metrics.jsonl"))
    page = parse(path)
    assert page.counts["svg"] == 5  # loss, learning rate, gradient norm, energy, mIoU
    assert page.counts["img"] == 9
    assert {*NAMES} <= {*page.texts}  # "<b>" is no element
    text = " ".join(page.texts)
    for part in (
        "2 cpu (processes: 1, mesh: 2x1)",
        "1,234,567",
        '"seed": 7',
        "80% were steps",
        "1.00 GiB",
        "jax ",
    ):
        assert part in text
    titles = re.findall(r"(best|median|worst): image (\d+)", text)
    assert [kind for kind, _ in titles] == ["best"] * 3 + ["median"] * 3 + ["worst"] * 3
    assert titles[0][1] == "11"
    assert titles[-3][1] == "0"
    assert [path.name for path in workdir.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"summary": {}, "per_class": [3], "details": {}}', '{"summary": {"mIoU": "x"}}'],
)
def test_what_is_broken_is_left_out(content: str, workdir: Path) -> None:
    (workdir / "evaluation/val.json").write_text(content)
    (workdir / "config.json").unlink()
    page = parse(write_page(workdir, read_metrics(workdir / "metrics.jsonl")))
    assert page.counts["svg"] == 5


def test_a_work_directory_with_nothing(tmp_path: Path) -> None:
    assert "svg" not in parse(write_page(tmp_path, [])).counts


def test_many_classes_are_a_list_of_confusions(tmp_path: Path) -> None:
    names = tuple(f"class {k}" for k in range(200))
    confusion = ConfusionMatrix(names)
    label = np.arange(400).reshape(20, 20) % 200
    rows = [confusion.update((label + 1) % 200, label)]
    write_report(tmp_path / "evaluation", "val", confusion, ImageCounts.from_rows(names, ["a"], rows), {})
    page = parse(write_page(tmp_path, []))
    assert page.counts["tr"] < 200 + 60 + 20
    assert "taken for" in page.texts


def test_a_page_that_cannot_be_written_stops_no_training(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workdir / "report.html").mkdir()
    update_page(workdir)
    assert capsys.readouterr().out.startswith("warning: report.html is not written (UserError: ")


def test_a_broken_page_stops_no_training(
    workdir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("hclip_jax.training.page.write_page", lambda *_: 1 / 0)
    update_page(workdir)
    (line,) = capsys.readouterr().out.splitlines()
    assert line == "warning: report.html is not written (ZeroDivisionError: division by zero)"
