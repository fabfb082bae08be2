"""Which files of a labelled folder belong together, and which belong to nothing."""

from pathlib import Path

from hclip_jax.data.check.issues import Issue, IssueKind
from hclip_jax.data.check.pair import NOT_PNG
from hclip_jax.data.image_io import IMAGE_SUFFIXES
from hclip_jax.errors import UserError

EMPTY_SPLIT = IssueKind(
    "error", "splits without a picture", f"add files ending in {', '.join(sorted(IMAGE_SUFFIXES))}"
)
NO_LABEL = IssueKind(
    "error",
    "pictures without a label",
    "give each a PNG of exactly its name (cat.jpg: cat.png) in the same split of labels, or remove it",
)
NO_PICTURE = IssueKind(
    "warning",
    "labels without a picture, which are ignored",
    "name each exactly as its picture (cat.jpg: cat.png), or remove it",
)
SAME_STEM = IssueKind(
    "error",
    "files that differ from another of their folder in the suffix only, but the rest of the name "
    "pairs pictures with labels",
    "rename or remove all but one",
)
IGNORED = IssueKind(
    "warning",
    "files and folders that are ignored: hidden, no picture by their suffix, or not inside of a split",
    "move what was meant to be used to images/SPLIT/NAME.jpg and labels/SPLIT/NAME.png",
)

Files = tuple[str, Path, Path | None]
"""Split, picture, label; None where there is no label to read."""


def list_files(root: Path) -> tuple[list[Files], list[Issue]]:
    """Pairs all pictures of a labelled folder with their labels.

    Returns:
        The pairs in the order of splits ("train" first) and stems, and what is wrong with the names.

    Raises:
        UserError: this is no labelled folder at all.
    """
    pairs: list[Files] = []
    sightings: list[Issue] = []
    for split in _splits(root, sightings):
        pictures = _by_stem(root / "images" / split, sightings)
        labels = _by_stem(root / "labels" / split, sightings, is_label=True)
        if not pictures:
            sightings.append(Issue(EMPTY_SPLIT, root / "images" / split))
        for stem, picture in pictures.items():
            label = labels.get(stem)
            if label is None:
                sightings.append(Issue(NO_LABEL, picture))
            has_png = label is not None and label.suffix.lower() == ".png"
            pairs.append((split, picture, label if has_png else None))
        sightings += [Issue(NO_PICTURE, labels[stem]) for stem in labels.keys() - pictures.keys()]
    return pairs, sorted(sightings)


def _splits(root: Path, sightings: list[Issue]) -> list[str]:
    """Names the folders below images and labels."""
    if not root.is_dir():
        raise UserError(f"the labelled folder {root} is no folder: check the path")
    names: set[str] = set()
    for kind in ("images", "labels"):
        if not (root / kind).is_dir():
            raise UserError(
                f"{root} has no folder {kind}: a labelled folder is images/SPLIT/*, "
                "labels/SPLIT/*.png and classes.txt"
            )
        for child in (root / kind).iterdir():
            if child.is_dir() and not child.name.startswith("."):
                names.add(child.name)
            else:
                sightings.append(Issue(IGNORED, child))
    if not names:
        raise UserError(
            f"{root / 'images'} and {root / 'labels'} have no folders in them: put the files to train "
            "with into images/train and labels/train, those to evaluate on into images/val and labels/val"
        )
    return sorted(names, key=lambda name: (name != "train", name))


def _by_stem(folder: Path, sightings: list[Issue], is_label: bool = False) -> dict[str, Path]:
    """Maps stems to files; a label that is a PNG goes before one that is not."""
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir(), key=_png_first if is_label else None) if folder.is_dir() else ():
        suffix = path.suffix.lower()
        if path.name.startswith(".") or suffix not in IMAGE_SUFFIXES or not path.is_file():
            sightings.append(Issue(IGNORED, path))
        elif is_label and suffix != ".png":
            sightings.append(Issue(NOT_PNG, path, suffix[1:].upper()))
            files.setdefault(path.stem, path)
        elif path.stem in files:
            sightings.append(Issue(SAME_STEM, path))
        else:
            files[path.stem] = path
    return files


def _png_first(path: Path) -> tuple[bool, Path]:
    return path.suffix.lower() != ".png", path
