"""Where the files of a data set lie if it is no labelled folder, and which splits they form."""

import re
from pathlib import Path
from typing import NamedTuple

from hclip_jax.data.listing import list_entries
from hclip_jax.errors import UserError
from hclip_jax.io.paths import is_address

SPLIT = "{split}"


class Layout(NamedTuple):
    """The fields `images`, `labels` and `colour_map` of `config.data`; "" where nothing is said.

    Attributes:
        images: a pattern of the images below the root, or with COCO labels their folder.
        labels: a pattern of the label PNGs or of LabelMe's JSONs below the root, or a JSON file of COCO.
        colour_map: a file from colours to class names, or "voc".
    """

    images: str = ""
    labels: str = ""
    colour_map: str = ""

    @property
    def is_coco(self) -> bool:
        """Whether the labels are a JSON file of COCO."""
        return self.labels.lower().endswith(".json") and "*" not in self.labels

    @property
    def is_labelme(self) -> bool:
        """Whether each image has a JSON file of LabelMe."""
        return self.labels.lower().endswith(".json") and "*" in self.labels

    @property
    def has_names(self) -> bool:
        """Whether labels have names or colours, which are looked up, in place of class ids."""
        return self.is_coco or self.is_labelme or bool(self.colour_map)

    def of_split(self, split: str) -> "Layout":
        """The layout with the split in place of {split}."""
        return self._replace(
            images=self.images.replace(SPLIT, split), labels=self.labels.replace(SPLIT, split)
        )

    def check(self, where: str = "config.data.") -> None:
        """Checks the fields against each other.

        Args:
            where: comes before a field in messages.

        Raises:
            UserError: one of `images` and `labels` is missing, or a field does not apply.
        """
        if bool(self.images) != bool(self.labels):
            given, missing = ("images", "labels") if self.images else ("labels", "images")
            example = (
                "'.'" if self.is_coco else "'*.*'" if self.is_labelme else f"'{missing}/{SPLIT}/*/*.png'"
            )
            raise UserError(
                f"{where}{given} is {getattr(self, given)!r}, but {where}{missing} is empty: give both, "
                f"such as {missing}={example}"
            )
        for field in ("images", "labels", "colour_map"):
            if is_address(getattr(self, field)) or "\0" in getattr(self, field):
                raise UserError(
                    f"{where}{field} is {getattr(self, field)!r}, but it must be a path of this machine: "
                    "copy the data set there"
                )
        if (self.is_coco or self.is_labelme) and self.colour_map:
            raise UserError(
                f"{where}colour_map is {self.colour_map!r}, but {where}labels is the JSON {self.labels}, "
                "which has no colours: leave colour_map empty"
            )

    def splits(self, root: Path) -> list[str]:
        """The splits that {split} stands for in the files below the root, "train" first.

        Without {split} all files are one split, "train".

        Raises:
            UserError: no path has the form of the layout, or a folder cannot be listed.
        """
        pattern = next((field for field in (self.labels, self.images) if SPLIT in field), "")
        if not pattern:
            return ["train"]
        # The parts up to the one with {split} are enough to know the splits.
        parts = Path(pattern).parts
        last = next(index for index, part in enumerate(parts) if SPLIT in part)
        below = [root]
        for index, part in enumerate(parts[: last + 1]):
            if index < last and "*" not in part:
                below = [folder / part for folder in below]
                continue
            name = _regex(part)
            is_file = index == len(parts) - 1 and (pattern == self.labels or not self.is_coco)
            below = [
                path
                for folder in below
                if folder.is_dir()
                for path in list_entries(folder)
                if name.fullmatch(path.name) and not path.name.startswith(".")
                if is_file or path.is_dir()
            ]
        found = {match[1] for path in below if (match := _regex(parts[last]).fullmatch(path.name))}
        if not found:
            raise UserError(f"nothing in {root} has the form {pattern}: check the path and the pattern")
        return sorted(found, key=lambda name: (name != "train", name))


def _regex(part: str) -> re.Pattern[str]:
    """A part of a path with * and {split}, which is the first group."""
    pattern = re.escape(part).replace(re.escape(SPLIT), "\0", 1).replace(re.escape(SPLIT), r"(?:\1)")
    return re.compile(pattern.replace("\0", "(.+)").replace(r"\*", ".*"))


FOLDER = Layout()
"""A labelled folder: images/SPLIT/*, labels/SPLIT/*.png, classes.txt."""
