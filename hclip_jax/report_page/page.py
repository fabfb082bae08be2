"""The sections of report.html, from the files of a work directory."""

import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from html import escape
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from string import Template
from typing import Any

from hclip_jax.errors import UserError
from hclip_jax.evaluation.image_counts import read_counts
from hclip_jax.io.files import write_atomically
from hclip_jax.io.json_file import read_json
from hclip_jax.io.progress import duration
from hclip_jax.report_page.bars import bars
from hclip_jax.report_page.curves import curves
from hclip_jax.report_page.gallery import gallery
from hclip_jax.report_page.matrix import confusions
from hclip_jax.version import __version__

NAME = "report.html"
_PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "pillow")
_BROKEN = (UserError, LookupError, TypeError, ValueError, AttributeError, OSError)
_PAGE = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>$title</title><style>
body{font:15px/1.45 system-ui,sans-serif;color:#1f2937;max-width:1180px;margin:0 auto;padding:16px 24px}
h1{font-size:24px}h2{font-size:19px;border-bottom:1px solid #d1d5db;margin-top:36px}h3{font-size:16px}
figure{margin:0 0 16px}figcaption{font-weight:600;margin-bottom:4px}
.row{display:grid;grid-template-columns:repeat(auto-fill,minmax(430px,1fr));gap:18px}
svg{width:100%;height:auto}svg text{font-size:11px;fill:#6b7280}.grid{stroke:#e5e7eb}
.legend{font-size:13px}.legend span{margin-right:14px}.legend i{display:inline-block;width:10px;height:10px;
border-radius:2px;margin-right:5px}
table{border-collapse:collapse;font-size:13px}td,th{padding:2px 8px;text-align:left;vertical-align:bottom}
.scroll{max-height:430px;overflow:auto;border:1px solid #e5e7eb;margin-bottom:14px}
.bars{width:100%}.bar{width:45%}.bar i{display:block;height:11px;background:#2563eb;border-radius:2px}
.bars td{vertical-align:middle}.numbers td:nth-child(n+2),.numbers th:nth-child(n+2){text-align:right}
.whole{max-height:none}.matrix .deep{color:#fff}.matrix td{text-align:right;min-width:22px;
padding:2px 3px;font-size:11px}
.matrix th div{writing-mode:vertical-rl;transform:rotate(180deg)}
.gallery img{max-width:100%;border:1px solid #e5e7eb}pre{background:#f9fafb;padding:10px;overflow:auto;
max-height:430px;font-size:12px}
</style></head><body><h1>$title</h1>$body</body></html>
""")


def write_page(workdir: Path, records: Sequence[Mapping[str, Any]]) -> Path:
    """Writes report.html of a work directory, atomically.

    Args:
        workdir: the work directory; files that are missing or broken are left out of the page.
        records: the records of its metrics.jsonl.

    Returns:
        The file.

    Raises:
        UserError: it cannot be written.
    """
    path = workdir / NAME
    body = "".join(
        (
            _facts(workdir, records),
            _parameters(records),
            f'<h2>Curves</h2><div class="row">{"".join(_curves(records))}</div>',
            *_sets(workdir),
            _configuration(workdir),
        )
    )
    write_atomically(path, _PAGE.substitute(title=escape(f"Training {workdir.name}"), body=body))
    return path


def _facts(workdir: Path, records: Sequence[Mapping[str, Any]]) -> str:
    """Time, goodput, devices, memory and versions."""
    rows: dict[str, str] = {"work directory": workdir.name}
    for record in records:
        match record:
            case {"start": {"devices": devices, "processes": count, "mesh": mesh, **more}}:
                kind = more.get("device_kind", "")
                rows["devices"] = f"{devices} {kind} (processes: {count}, mesh: {mesh})"
            case {"end": {"seconds": float() | int() as seconds, "step_seconds": steps}}:
                share = steps / max(seconds, 1e-9)
                rows.pop("time left", None)
                rows["last run"] = f"{duration(seconds)}, of which {share:.0%} were steps (goodput)"
            case {"loss": _, **line}:
                rows |= _of_step(line)
    with suppress(*_BROKEN):
        match read_json(workdir / "checkpoints" / "best.json", ""):
            case {"step": int(step), "metric": str(metric), "value": float(value)}:
                rows["best checkpoint"] = f"step {step:,} ({metric} {value:.2f})"
    rows["versions"] = ", ".join(
        (f"hclip_jax {__version__}", f"Python {platform.python_version()}", *_versions())
    )
    rows["machine"] = platform.platform()
    cells = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in rows.items())
    return f"<table>{cells}</table>"


def _parameters(records: Sequence[Mapping[str, Any]]) -> str:
    """The table of trainable and frozen parameters, of the last start."""
    for record in reversed(records):
        match record:
            case {"start": {"parameters": dict(parts)}}:
                header = "<tr><th>parameters</th><th>trainable</th><th>frozen</th></tr>"
                rows = "".join(
                    f"<tr><td>{escape(part)}</td><td>{trains:,}</td><td>{frozen:,}</td></tr>"
                    for part, (trains, frozen) in parts.items()
                )
                return f'<h2>Parameters</h2><table class="numbers">{header}{rows}</table>'
    return ""


def _of_step(line: Mapping[str, Any]) -> dict[str, str]:
    rows = {"step": f"{line['step']:,}"}
    if rate := line.get("images_per_second"):
        rows["pace"] = f"{rate:.2f} images/s"
    if (left := line.get("seconds_left")) is not None:
        rows["time left"] = duration(left)
    for name, title in (("memory", "memory"), ("device_memory", "memory of a device")):
        if line.get(name):
            rows[title] = f"{line[name] / 2**30:.2f} GiB at most"
    return rows


def _versions() -> Iterator[str]:
    for name in _PACKAGES:
        with suppress(PackageNotFoundError):
            yield f"{name} {version(name)}"


def _curves(records: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    steps = [record for record in records if "loss" in record]

    def line(field: str) -> list[tuple[float, float]]:
        return [(r["step"], r[field]) for r in steps if isinstance(r.get(field), (int, float))]

    yield curves("loss", {"loss": line("loss")})
    parts = sorted({field for record in steps for field in record if field.startswith("learning_rate_")})
    yield curves("learning rate", {field.removeprefix("learning_rate_"): line(field) for field in parts})
    yield curves("gradient norm", {"gradient norm": line("grad_norm")})
    yield curves("energy of the text features", {"text energy": line("text_energy")})
    figures: dict[str, list[tuple[float, float]]] = {}
    for record in records:
        match record:
            case {"evaluation": dict(summaries)}:
                for name, summary in summaries.items():
                    if isinstance(value := summary.get("mIoU"), (int, float)):
                        figures.setdefault(name, []).append((record["step"], value))
    yield curves("mIoU, %", figures)


def _sets(workdir: Path) -> Iterator[str]:
    folder = workdir / "evaluation"
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else []:
        with suppress(*_BROKEN):
            match read_json(path, ""):
                case {
                    "summary": dict(summary),
                    "per_class": list(classes),
                    "details": dict(details),
                } as report:
                    figures = ", ".join(
                        f"{metric} {value:.2f}" for metric, value in summary.items() if value is not None
                    )
                    yield f"<h2>{escape(path.stem)}</h2><p>step {details.get('step')}: {escape(figures)}</p>"
                    yield f"<h3>Classes</h3>{bars(classes)}"
                    if matrix := confusions(classes, report.get("confusions", [])):
                        yield f"<h3>Confusions</h3>{matrix}"
                    counts = read_counts(path.with_suffix(".npz"))
                    if pictures := gallery(workdir / "overlays" / path.stem, counts):
                        yield f"<h3>Images</h3>{pictures}"


def _configuration(workdir: Path) -> str:
    with suppress(UserError):
        text = json.dumps(read_json(workdir / "config.json", ""), indent=2, ensure_ascii=False)
        return f"<h2>Configuration</h2><pre>{escape(text)}</pre>"
    return ""
