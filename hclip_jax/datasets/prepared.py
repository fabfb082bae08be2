"""The state of a prepared set: metadata.json beside its records or images."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from hclip_jax.datasets.dataset import Dataset
from hclip_jax.errors import UserError
from hclip_jax.io.json_file import read_json
from hclip_jax.io.paths import gcs_path
from hclip_jax.version import __version__

FILE = "metadata.json"
VERSION = "1.0.0"
"""The folder of a prepared TFDS data set below its name."""


class SplitState(NamedTuple):
    """One split of a prepared set.

    Attributes:
        num_images: images that were stored.
        num_found: images that the source had.
        num_official: images of the official split.
        digest: "same", "differs" or "unknown": the sorted names compared with the official ones.
        is_complete: whether the source had the official split with the official labels.
        labels: the kind of labels, if they are not those that published figures are measured on.
    """

    num_images: int
    num_found: int
    num_official: int
    digest: str
    is_complete: bool
    labels: str = ""

    def describe(self) -> str:
        """The number of images for tables: "2,000", "1,998 of 2,000 (partial)" or "... (not comparable)"."""
        marks = ["partial"] if self.is_partial else []
        marks += [f"labels: {self.labels}", "not comparable"] if self.labels else []
        number = f"{self.num_found:,} of {self.num_official:,}" if self.is_partial else f"{self.num_images:,}"
        return f"{number} ({', '.join(marks)})" if marks else number

    @property
    def is_partial(self) -> bool:
        """Whether images are missing, or the list of names is another one."""
        return not self.is_complete and not (self.labels and self.num_found == self.num_official)


class PreparedState(NamedTuple):
    """The data set, its splits, and their completeness.

    Attributes:
        key: the data set.
        splits: the state of each split that was stored.
        fold_background: predicted class ids from this one on count as background; 0 = no folding.
        warnings: what looked wrong when the set was prepared.
    """

    key: str
    splits: dict[str, SplitState]
    fold_background: int
    warnings: tuple[str, ...]

    @property
    def is_complete(self) -> bool:
        """Whether the stored splits have all official images and labels: then published figures compare."""
        return all(split.is_complete for split in self.splits.values())


def _stored_format(folder: Path) -> str:
    """The format of a prepared set that has a state: "tfds" or "folder"."""
    return "folder" if (folder / FILE).exists() else "tfds"


def to_json(state: PreparedState) -> str:
    """Formats a state for metadata.json."""
    content = {
        **state._asdict(),
        "splits": {name: split._asdict() for name, split in state.splits.items()},
        "is_complete": state.is_complete,
        "prepared_by": f"hclip_jax {__version__}",
    }
    return json.dumps(content, indent=1) + "\n"


def read_state(root: str | Path) -> PreparedState | None:
    """Reads the state of a prepared set.

    Args:
        root: the folder or address of the set, or the one above the version of a TFDS data set.

    Returns:
        The state; None if `hclip prepare` has not written this folder.

    Raises:
        UserError: metadata.json is broken.
    """
    folder = gcs_path(root)
    path = next((path for path in (folder / FILE, folder / VERSION / FILE) if path.exists()), None)
    if path is None:
        return None
    content: Any = read_json(path, "prepare the set again")
    try:
        if "key" not in content:  # of another program
            return None
        splits = {name: SplitState(**split) for name, split in content["splits"].items()}
        return PreparedState(content["key"], splits, content["fold_background"], tuple(content["warnings"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path} is not the state of a set that hclip prepare writes ({type(error).__name__}): prepare "
            "the set again"
        ) from error


def is_written(
    dataset: Dataset, folder: Path, *, partial: bool, data_format: str = "", labels: str = ""
) -> bool:
    """Whether `prepare.write` has finished this folder before.

    Args:
        dataset: the data set.
        folder: TARGET/KEY.
        partial: whether it may be partial.
        data_format: the format that is wanted; "" for any.
        labels: the labels that are wanted, as of `prepare.open_source`.

    Raises:
        UserError: the folder holds something else, or a set that is not as wanted.
    """
    if not folder.exists():
        return False
    state = read_state(folder)
    if state is None or state.key != dataset.key:
        raise UserError(
            f"{folder} exists already, but is not {dataset.key} as hclip prepare writes it: remove it, or "
            "give another --target"
        )
    if any(split.is_partial for split in state.splits.values()) and not partial:
        splits = ", ".join(f"{split} {value.describe()}" for split, value in state.splits.items())
        raise UserError(
            f"{folder} is a partial set ({splits}): remove it to prepare it again, or give --partial"
        )
    found = _stored_format(folder)
    if data_format not in ("", found):
        raise UserError(
            f"{folder} is prepared with --format={found}: give another --target for --format={data_format}"
        )
    if any(split.labels != labels for split in state.splits.values()):
        splits = ", ".join(f"{split} {value.describe()}" for split, value in state.splits.items())
        raise UserError(f"{folder} is prepared with other labels ({splits}): give another --target")
    return True
