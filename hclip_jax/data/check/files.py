"""Issues with the names of the files of a labelled folder."""

from collections.abc import Iterable

from hclip_jax.data.check.issues import Issue, IssueKind
from hclip_jax.data.check.pair import NOT_PNG
from hclip_jax.data.image_io import IMAGE_SUFFIXES
from hclip_jax.data.scan import ScanIssue, ScanIssueKind

_ISSUE_KINDS = {
    ScanIssueKind.EMPTY_SPLIT: IssueKind(
        "error", "splits without an image", f"add files ending in {', '.join(sorted(IMAGE_SUFFIXES))}"
    ),
    ScanIssueKind.NO_LABEL: IssueKind(
        "error",
        "images without a label",
        "give each a PNG of exactly its name (cat.jpg: cat.png) in the same split of labels, or remove it",
    ),
    ScanIssueKind.NO_IMAGE: IssueKind(
        "warning",
        "labels without an image, which are ignored",
        "name each exactly as its image (cat.jpg: cat.png), or remove it",
    ),
    ScanIssueKind.SAME_STEM: IssueKind(
        "error",
        "files that differ from another file of their folder in the suffix only, but the rest of the name "
        "pairs images with labels",
        "rename or remove all but one",
    ),
    ScanIssueKind.NOT_PNG: NOT_PNG,
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
    return issue.used.name if issue.used else ""
