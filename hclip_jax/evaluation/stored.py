"""Evaluations as `write_report` stored them: the counts of the images and what the report says of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from hclip_jax.errors import UserError, printable, some
from hclip_jax.evaluation.bootstrap import miou
from hclip_jax.evaluation.image_counts import ImageCounts, read_counts
from hclip_jax.io.json_file import read_json

UNKNOWN = "unknown"


class StoredEvaluation(NamedTuple):
    """An evaluation of a set.

    Attributes:
        path: its files without their suffixes.
        counts: the pixel counts of its images.
        miou: mIoU of the report in percent; None if it has none.
        protocol: how images became inputs; "unknown" if the report does not say.
        step: number of training steps; "unknown" as above, which a model without a training is.
    """

    path: Path
    counts: ImageCounts
    miou: float | None
    protocol: str
    step: str

    def check(self) -> None:
        """Checks that counts and report are of one evaluation; a killed one may have replaced the counts.

        Raises:
            UserError: they are of two.
        """
        found = miou(self.counts)
        if self.miou is not None and found is not None and abs(found - self.miou) > 1e-6:
            raise UserError(
                f"{self.path.name}: {self.path}.npz and {self.path}.json are of two evaluations (mIoU "
                f"{found:.4f} and {self.miou:.4f}); evaluate again with hclip evaluate"
            )


def read_evaluations(folder: Path, names: Sequence[str]) -> dict[str, StoredEvaluation]:
    """Reads the stored evaluations FOLDER/NAME.{npz,json} of those sets that have counts.

    Raises:
        UserError: none has, or a file of counts is damaged.
    """
    found = {name: _read(folder / name) for name in names if (folder / f"{name}.npz").exists()}
    if not found:
        raise UserError(
            f"{folder} has no evaluation of {some(names)} ({some(f'{name}.npz' for name in names)}); "
            f"evaluate that model on the same sets with hclip evaluate"
        )
    return found


def _read(path: Path) -> StoredEvaluation:
    counts = read_counts(path.with_name(f"{path.name}.npz"))
    try:
        report = read_json(path.with_name(f"{path.name}.json"), "")
        details, mean = report["details"], report["summary"]["mIoU"]
        known = [printable(str(details.get(field, UNKNOWN))) for field in ("protocol", "step")]
        return StoredEvaluation(path, counts, mean if isinstance(mean, float) else None, *known)
    except (UserError, KeyError, TypeError, AttributeError):
        return StoredEvaluation(path, counts, None, UNKNOWN, UNKNOWN)
