"""Serves a web page on this machine: upload an image, type words, see and download the masks.

hclip demo --model=DIR [--host=127.0.0.1] [--port=7860]

Needs gradio (pip install "hclip_jax[demo]"). The page is served on this machine alone and calls no other
host; --host=0.0.0.0 serves it to the network, to anybody. Uploads of up to 50 MB and 60 megapixels are
segmented one after another, and deleted after an hour. Ctrl-C ends it. Examples:

    hclip demo --model=runs/quickstart
    hclip demo --model=hf:spaces/hamacojr/CAT-Seg-weights/model_base.pth
"""

import importlib.util
import os
import sys
import tempfile
import threading
from pathlib import Path

from hclip_jax.demo.address import check_address
from hclip_jax.demo.retention import SWEEP_SECONDS, remove_old_answers
from hclip_jax.errors import UserError
from hclip_jax.tools.command_line import Parser, run
from hclip_jax.tools.model_options import add_model
from hclip_jax.tools.signals import orderly_end
from hclip_jax.weights.built_in import NOTE, is_built_in


@orderly_end()
def main(argv: list[str]) -> int:
    """Runs the command, until it is interrupted.

    Args:
        argv: the arguments without the program's name.

    Returns:
        The exit status.

    Raises:
        UserError: wrong use, gradio is not installed, the port is in use, or as `Segmenter.load`.
    """
    args = _parser().parse_args(argv)
    if not 1 <= args.port <= 65535:
        raise UserError(f"--port is {args.port}; it must be from 1 to 65535")
    if importlib.util.find_spec("gradio") is None:
        raise UserError("hclip demo needs gradio, which is not installed; run pip install 'hclip_jax[demo]'")

    check_address(args.host, args.port)
    with tempfile.TemporaryDirectory(prefix="hclip_demo_") as folder:
        # Uploads too are removed at the end. Read when gradio is imported.
        os.environ["GRADIO_TEMP_DIR"] = str(Path(folder, "uploads"))

        # Imported after the arguments are checked: JAX and gradio take seconds to start.
        from hclip_jax.demo.examples import write_examples
        from hclip_jax.demo.page import make_page, serving
        from hclip_jax.segmenter import Segmenter

        segmenter = Segmenter.load(args.model, args.base, args.dtype, args.checkpoint)
        note = NOTE if is_built_in(segmenter.clip) else ""
        page = make_page(segmenter, args.model, note, write_examples(Path(folder)), Path(folder))
        with serving(page, args.host, args.port) as address:
            print(f"the page is at {address} (Ctrl-C ends it)", flush=True)
            while not threading.Event().wait(SWEEP_SECONDS):
                remove_old_answers(Path(folder))
    return 0


def _parser() -> Parser:
    parser = Parser(prog="hclip demo", description=__doc__)
    add = parser.add_argument
    add_model(parser)
    add("--host", default="127.0.0.1", metavar="ADDRESS", help="whom it serves (default: this machine alone)")
    add("--port", type=int, default=7860, metavar="N", help="port (default: 7860)")
    return parser


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:]))
