"""Issues with the names of the files of a labelled folder."""

import os
from collections.abc import Iterable

from hclip_jax.data.check.issues import Issue, IssueKind
from hclip_jax.data.check.kinds import NOT_PNG
from hclip_jax.data.listing import IMAGE_SUFFIXES
from hclip_jax.data.scan import ScanIssue, ScanIssueKind

_ISSUE_KINDS = {
    ScanIssueKind.EMPTY_SPLIT: IssueKind(
        "error", "splits without an image", f"add files ending in {', '.join(sorted(IMAGE_SUFFIXES))}"
    ),
    ScanIssueKind.NO_LABEL: IssueKind(
        "error",
        "images without a label",
        "give each a label of exactly its name (cat.jpg: cat.png) in the same split, or remove it",
    ),
    ScanIssueKind.NO_IMAGE: IssueKind(
        "warning",
        "labels without an image, which are ignored",
        "name each exactly as its image (cat.jpg: cat.png), or remove it",
    ),
    ScanIssueKind.SAME_STEM: IssueKind(
        "error",
        "files that differ from another file of their folder in the suffix only (or in how accents are "
        "encoded), but the rest of the name pairs images with labels",
        "rename or remove all but one",
    ),
    ScanIssueKind.NOT_NAMED: IssueKind(
        "warning",
        "images that the JSON of the labels does not name, which are ignored",
        "label or remove them",
    ),
    ScanIssueKind.NOT_PNG: NOT_PNG,
    ScanIssueKind.DEAD_LINK: IssueKind(
        "error", "links that lead to no file", "restore the files, or remove the links"
    ),
    ScanIssueKind.UNREADABLE: IssueKind(
        "error", "files that you have no permission to read", "give yourself the permission, or remove them"
    ),
    ScanIssueKind.DEEPER: IssueKind(
        "warning",
        "folders with images below a split, whose files are not read",
        "move their files up, to images/SPLIT/NAME.jpg and labels/SPLIT/NAME.png",
    ),
    ScanIssueKind.IGNORED: IssueKind(
        "warning",
        "files and folders that are ignored: hidden, not an image by their suffix, or not inside a split",
        "move files that you want to use to images/SPLIT/NAME.jpg and labels/SPLIT/NAME.png",
    ),
}


def file_issues(scan_issues: Iterable[ScanIssue]) -> list[Issue]:
    """Adds the wording, the severity and the fix to the issues of a scan."""
    return [Issue(_ISSUE_KINDS[issue.kind], issue.path, _detail(issue)) for issue in scan_issues]


def _detail(issue: ScanIssue) -> str:
    if issue.kind is ScanIssueKind.NOT_PNG:
        return issue.path.suffix[1:].upper()
    if issue.kind is ScanIssueKind.DEAD_LINK:
        return f"-> {os.readlink(issue.path)}"
    return issue.used.name if issue.used else ""
