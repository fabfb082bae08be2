"""Images with ground truth, prediction and errors, embedded in the page."""

import base64
import io
from html import escape
from pathlib import Path

from PIL import Image

from hclip_jax.evaluation.image_counts import ImageCounts, image_miou

MAX_IMAGES = 9
_WIDTH = 1100


def gallery(overlays: Path, counts: ImageCounts) -> str:
    """The best, median and worst of the images that have an overlay.

    Args:
        overlays: folder with NAME.png.
        counts: pixel counts of all images of the set.

    Returns:
        HTML; empty if there is no overlay.
    """
    scores = zip(counts.image_names, image_miou(counts), strict=True)
    ranked = sorted((score, name) for name, score in scores if score == score)
    names = {path.relative_to(overlays).with_suffix("").as_posix() for path in overlays.rglob("*.png")}
    shown = [(score, name) for score, name in ranked if name in names]
    figures = [
        f"<figure><figcaption>{title}: {escape(name)}, mIoU {score:.1f}</figcaption>"
        f'<img loading="lazy" src="{_data_uri(overlays / f"{name}.png")}" alt="{escape(name, quote=True)}">'
        f"</figure>"
        for title, score, name in _chosen(shown)
    ]
    return f'<div class="gallery">{"".join(figures)}</div>' if figures else ""


def _chosen(ranked: list[tuple[float, str]]) -> list[tuple[str, float, str]]:
    """Up to three of the best, of those in the middle and of the worst; each once."""
    if len(ranked) <= MAX_IMAGES:
        ends = (len(ranked) + 2) // 3, len(ranked) - len(ranked) // 3
        kinds = ["best" if k < ends[0] else "median" if k < ends[1] else "worst" for k in range(len(ranked))]
        return [(kind, *pair) for kind, pair in zip(kinds, ranked[::-1], strict=True)]
    middle = len(ranked) // 2
    parts = {"best": ranked[:-4:-1], "median": ranked[middle - 1 : middle + 2], "worst": ranked[:3]}
    return [(kind, *pair) for kind, pairs in parts.items() for pair in pairs]


def _data_uri(path: Path) -> str:
    """A smaller copy of an image as JPEG."""
    with Image.open(io.BytesIO(path.read_bytes())) as image:
        small = image.convert("RGB")
    small.thumbnail((_WIDTH, 2 * _WIDTH))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=82)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
