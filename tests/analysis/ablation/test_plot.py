from pathlib import Path

from PIL import Image

from hclip_jax.analysis.ablation.plot import plot
from hclip_jax.analysis.ablation.table import MeanStd, Row


def test_the_plot_is_a_png_image(tmp_path: Path) -> None:
    rows = [
        Row(method, parameters, 2, {"open mIoU_unseen": MeanStd(mean, 1.0)})
        for method, parameters, mean in (("a", 100, 10.0), ("b", 120, 8.0), ("c", 0, 5.0))
    ]
    plot(tmp_path / "plot.png", rows)
    with Image.open(tmp_path / "plot.png") as image:
        assert image.format == "PNG"
        assert len(set(image.convert("L").tobytes())) > 10
    assert [path.name for path in tmp_path.iterdir()] == ["plot.png"]
