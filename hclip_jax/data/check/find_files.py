"""Finds what a check looks at: the files of all splits, the readers of their labels, the class names."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from hclip_jax.data.check.classes import check_class_list, check_readings
from hclip_jax.data.check.issues import IssueGroup
from hclip_jax.data.labels import Labels
from hclip_jax.data.layout import Layout
from hclip_jax.data.open_labels import CLASS_LIST, open_labels, open_png_labels
from hclip_jax.data.scan import Scan, scan_folder


class Found(NamedTuple):
    """The input of a check.

    Attributes:
        scan: the pairs and issues of all splits.
        labels: the reader of the labels, by split.
        class_names: by id; none if there is no class list.
        issues: of the class names.
    """

    scan: Scan
    labels: Mapping[str, Labels]
    class_names: list[str]
    issues: list[IssueGroup]


def find_files(root: Path, classes_file: str, layout: Layout) -> Found:
    """Lists the files of all splits.

    Raises:
        UserError: there are none, or a colour map or a JSON is wrong.
    """
    if layout.images:
        splits = layout.splits(root)
        opened = {split: open_labels(root, split, classes_file, layout, sampled=False) for split in splits}
        pairs = [pair for scan, _ in opened.values() for pair in scan.pairs]
        issues = [issue for scan, _ in opened.values() for issue in scan.issues]
        scan = Scan(pairs, sorted(dict.fromkeys(issues), key=lambda issue: issue.path))
        labels = {split: reader for split, (_, reader) in opened.items()}
    else:
        scan, plain = scan_folder(root), open_png_labels(root, classes_file, layout)
        labels = {pair.split: plain for pair in scan.pairs}
    names = next((list(reader.class_names) for reader in labels.values()), [])
    if not names:
        return Found(scan, labels, *check_class_list(Path(classes_file or root / CLASS_LIST)))
    groups = check_readings(names)
    if others := tuple(split for split, reader in labels.items() if list(reader.class_names) != names):
        groups.append(
            IssueGroup(
                "error",
                others,
                f"splits with other class names than {next(iter(labels))}, whose ids mean other classes",
                "give a class list (--classes_file), or write the same categories in the same order",
            )
        )
    return Found(scan, labels, names, groups)
