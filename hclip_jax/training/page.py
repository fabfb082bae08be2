"""report.html of a training that goes on."""

from pathlib import Path

from hclip_jax import processes
from hclip_jax.errors import one_line
from hclip_jax.io.progress import console
from hclip_jax.report_page.page import NAME, write_page
from hclip_jax.training.metrics import read_metrics


def update_page(workdir: Path) -> None:
    """Writes report.html again, in the primary process; whatever goes wrong is a warning."""
    if not processes.is_primary():
        return
    try:
        write_page(workdir, read_metrics(workdir / "metrics.jsonl"))
    except Exception as error:
        console.print(f"warning: {NAME} is not written ({type(error).__name__}: {one_line(str(error))})")
