"""Published results on the data sets, from published.json; each row states its source."""

import functools
from typing import Literal, NamedTuple, get_args

from hclip_jax.datasets.package_files import published_figures

Formula = Literal["since July 2022", "before July 2022", "unknown"]
"""How detectron2 averages over classes without ground truth: it leaves them out since July 2022. Before,
those that were predicted counted as 0, which costs 3 to 5 points on PC-459 and hardly any elsewhere."""
FORMULAS: tuple[Formula, ...] = get_args(Formula)


class PublishedRow(NamedTuple):
    """One model of a paper.

    Attributes:
        method: its name.
        backbone: of CLIP.
        trained_on: the training data; "" if the source does not say it.
        formula: of the mean IoU; "unknown" if the source does not say which detectron2 was used.
        source: where the figures stand.
        miou: in percent, by the key of the data set.
    """

    method: str
    backbone: str
    trained_on: str
    formula: Formula
    source: str
    miou: dict[str, float]

    @property
    def name(self) -> str:
        """Method and backbone, such as "H-CLIP ViT-B/16"."""
        return f"{self.method} {self.backbone}"


@functools.cache
def published_rows() -> tuple[PublishedRow, ...]:
    """All rows, in the order of the file: H-CLIP and CAT-Seg first."""
    return tuple(PublishedRow(**row) for row in published_figures())
