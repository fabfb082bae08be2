"""Kinds of issues of an image and its label, with their fixes."""

from hclip_jax.data.check.issues import IssueKind

MIN_IMAGE_SIZE = 32
"""Pixels: two of CLIP's 16-pixel patches."""

EMPTY = IssueKind("error", "empty files (0 bytes)", "copy them again from their source, or remove them")
BROKEN = IssueKind(
    "error",
    "files that cannot be decoded completely: truncated, or not an image",
    "copy them again from their source, or remove them",
)
NOT_RGB = IssueKind("error", "images that have no RGB form", "save them as 8-bit RGB")
SMALL = IssueKind(
    "warning",
    f"images with a height or width under {MIN_IMAGE_SIZE} pixels",
    "use larger originals or remove them: a patch of CLIP has 16 pixels",
)
NOT_PNG = IssueKind(
    "error",
    "labels that are not stored as PNG; lossy formats such as JPEG change the ids",
    "export them as PNG from the annotation itself: converting a JPEG does not restore its ids",
)
COLOURS = IssueKind(
    "error",
    "labels with colour channels, but a label has a single channel of class ids",
    "map each colour to its class id (or keep one channel, if all are equal) and save an 8-bit grey PNG",
)
NOT_ROTATED = IssueKind(
    "error",
    "labels that are not rotated as their images: the image has an EXIF orientation, and the label has its "
    "size before that rotation",
    "rotate each label by the EXIF orientation of its image",
)
LABEL_ROTATED = IssueKind(
    "error",
    "labels with an EXIF orientation of their own, which turns them to another size than their images",
    "save each label without EXIF data, or as it looks when turned like its image",
)
SIZE_MISMATCH = IssueKind(
    "error",
    "labels and (upright) images that differ in size",
    "make each label as large as its image, without interpolating between ids",
)
MAYBE_NOT_ROTATED = IssueKind(
    "warning",
    "labels that may not be turned as their images: the image has an EXIF orientation that does not change "
    "its size, and the label has none",
    "look at the previews (--output=DIR), which show these first; turn a label that does not fit",
)
SEVERAL_FRAMES = IssueKind(
    "warning",
    "images with several pages or frames, of which only the first is used",
    "save the one that the label describes as an image of its own",
)
FEWER_BITS = IssueKind(
    "warning",
    "images that use fewer than the 16 bits they are stored with",
    "save them with 8 bits a channel, all scaled alike, if their brightness is to be compared",
)
UNLABELLED = IssueKind(
    "warning",
    "labels without a single labelled pixel",
    "label them or remove the images, which show no class",
)
IGNORE_16_BIT = IssueKind(
    "error",
    "16-bit labels that hold 255, which means unlabelled with 8 bits only",
    "write 65535 for unlabelled, or save them with 8 bits",
)
