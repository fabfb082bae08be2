"""Segments images with any class names.

hclip segment IMAGE... --model=DIR [--classes="cat,traffic light,sky"] [--output=OUT]

IMAGE is a file, a folder, a pattern such as "photos/*.jpg", or - for standard input. For each image NAME, the
folder OUT (default: segmentation/) gets

    NAME.png           class ids in the order of the class names, with a palette; unknown = 255 (65535 from
                       256 classes on, with 16 bits and no palette)
    NAME_overlay.png   the labels painted over the image, with a legend
    NAME.json          area and mean probability of each class
    NAME.npz           with --probabilities: `probabilities` float32 [T, H, W], and `classes`

and with --formats=coco,polygons,masks (one or more)

    _annotations.coco.json   coco: the masks of all images, run-length encoded
    polygons/NAME.json       polygons: a file of LabelMe
    masks/NAME/CLASS.png     masks: 255 where the image shows the class, else 0

A video, such as clip.mp4, gets NAME_overlay.mp4: each frame with the labels painted over it and a legend in a
corner, of the same size and pace, without sound. It needs pip install "hclip_jax[video]".

An overlay is reduced to 4,096 pixels. A whole image is resized to the input of the model; --tile=1280
segments larger images in overlapping tiles instead, which finds smaller things.

Exit status: 0 = all images are segmented; 1 = some were skipped (unreadable, dead links, too large for
--probabilities, or videos that break off); 2 = wrong use, or the results cannot be written. Example:

    hclip segment holiday/ --model=runs/vitb --classes="person,sea,sand,sky" --output=holiday_labels
"""

import functools
import sys

from hclip_jax.inference.segmentation import check_num_classes
from hclip_jax.io.files import check_writable
from hclip_jax.io.progress import bar
from hclip_jax.tools.command_line import run
from hclip_jax.tools.segment_arguments import parse_arguments
from hclip_jax.tools.segment_files import check_outputs
from hclip_jax.tools.segment_images import segment_images, segment_options
from hclip_jax.tools.segment_inputs import find_inputs
from hclip_jax.tools.segment_video import check_video_options, segment_video
from hclip_jax.tools.signals import orderly_end
from hclip_jax.weights.built_in import NOTE, is_built_in


@orderly_end()
def main(argv: list[str]) -> int:
    """Runs the command.

    Args:
        argv: the arguments without the program's name.

    Returns:
        The exit status.

    Raises:
        UserError: wrong use, or as `Segmenter.load` and `Segmenter.many`.
    """
    args = parse_arguments(argv, __doc__)
    inputs = find_inputs(args.images, args.output)
    check_outputs(inputs.images, inputs.videos, args.output)
    check_video_options(inputs.videos, args)
    check_writable(args.output)

    # Imported after the arguments are checked: JAX takes more than a second to start.
    from hclip_jax.segmenter import Segmenter

    segmenter = Segmenter.load(args.model, args.base, args.dtype, args.checkpoint)
    if is_built_in(segmenter.clip):
        print(NOTE, file=sys.stderr)
    check_num_classes(len(args.class_names or segmenter.class_names) + bool(args.background))
    segment = functools.partial(segmenter.many, **segment_options(args))
    with bar() as progress:
        done = []
        if inputs.images:
            done.append(segment_images(segment, inputs, args, progress))
        done += [segment_video(segment, path, args, progress) for path in inputs.videos]
    return 0 if all(done) else 1


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:]))
