"""The page itself, by gradio: its fields, its one button, and what they show."""

import contextlib
import os
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported: no call to any other host

import gradio as gr
from fastapi import Request
from fastapi.responses import PlainTextResponse

from hclip_jax.demo.address import cannot_serve
from hclip_jax.demo.answer import MAX_MEGAPIXELS, Question, Segments, answer
from hclip_jax.demo.preview import preview
from hclip_jax.demo.retention import KEPT_SECONDS, SWEEP_SECONDS, new_answer_folder
from hclip_jax.errors import UserError
from hclip_jax.text.reading import split_synonyms

MAX_UPLOAD = "50mb"
_MAX_WAITING = 32  # clicks
_MAX_PROPOSED = 30  # names of the training that the page starts with
_SLIDING, _FAST = "sliding window, as published", "fast: one view of the whole image"


def make_page(
    segmenter: Segments, model: str, note: str, examples: Sequence[Sequence[str]], folder: Path
) -> gr.Blocks:
    """Lays out the page.

    Args:
        segmenter: the model.
        model: its name for the title and the summaries.
        note: a sentence on the limits of the model; "" for none.
        examples: images and their class names, see `write_examples`.
        folder: gets the files to download; the uploads lie in it, too.
    """

    def on_click(
        image: dict[str, Any] | None,
        class_names: str,
        background: str,
        threshold: float,
        opacity: float,
        mode: str,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 — gradio looks for it here
    ) -> list[Any]:
        progress(0.1, desc="segmenting; the first image compiles the model")
        try:
            upload = _upload(image, folder)
            question = Question(
                upload, class_names or "", background or "", threshold, opacity, mode == _FAST
            )
            found = answer(segmenter, question, new_answer_folder(folder), model)
        except (UserError, OSError, MemoryError) as error:  # such as a full disk
            return [
                gr.AnnotatedImage(value=None),
                f"<b>error:</b> {escape(_sentence(error))}",
                *[gr.DownloadButton(value=None, interactive=False)] * 3,
            ]
        files = [gr.DownloadButton(value=str(path), interactive=True) for path in found.files]
        masks = gr.AnnotatedImage(value=(found.image, found.masks), color_map=found.colours)
        return [masks, escape(found.text), *files]

    def on_upload(image: dict[str, Any] | None) -> dict[str, Any] | None:
        """Shows a preview of what the browser cannot; the upload itself stays what is segmented."""
        try:
            upload = _upload(image, folder)
        except UserError:
            return image  # the click says it
        shown = preview(Path(upload), MAX_MEGAPIXELS) if upload else ""
        if not image or not shown:
            return image
        # Without gradio's mark of a file, for which it would write an address of its own.
        return {**{name: value for name, value in image.items() if name != "meta"}, "url": shown}

    title = "hclip: label every pixel with any words"
    with gr.Blocks(analytics_enabled=False, title=title, delete_cache=(SWEEP_SECONDS, KEPT_SECONDS)) as page:
        gr.Markdown(f"# {title}\n\nModel: `{model}`" + (f"\n\n{note}" if note else ""))
        with gr.Row():
            with gr.Column():
                image = gr.Image(label="image", sources=["upload", "clipboard"], elem_id="image")
                class_names = gr.Textbox(
                    _proposed(segmenter.class_names),
                    label="class names, separated by commas",
                    placeholder="person,sea,sand,sky",
                    elem_id="class_names",
                )
                background = gr.Textbox(
                    label="background names: everything else, one more class (may be empty)",
                    elem_id="background",
                )
                with gr.Accordion("options", open=False):
                    mode = gr.Radio([_SLIDING, _FAST], value=_SLIDING, label="mode", elem_id="mode")
                    threshold = gr.Slider(0, 1, 0, label="threshold: less probable pixels are unknown")
                    opacity = gr.Slider(0, 1, 0.55, label="opacity of the masks")
                button = gr.Button("segment", variant="primary", elem_id="segment")
            with gr.Column():
                masks = gr.AnnotatedImage(label="masks", elem_id="masks")
                message = gr.HTML(elem_id="message", padding=False)
                with gr.Row():
                    files = [
                        gr.DownloadButton(label, interactive=False, elem_id=f"download_{name}", size="sm")
                        for name, label in (
                            ("labels", "label ids (PNG)"),
                            ("overlay", "overlay (PNG)"),
                            ("summary", "summary (JSON)"),
                        )
                    ]
        gr.Examples([list(row) for row in examples], [image, class_names], cache_examples=False)
        # Neither decodes: the field keeps the path of the upload, and gets another address to show.
        image.upload(
            on_upload,
            image,
            image,
            api_visibility="private",
            preprocess=False,
            postprocess=False,
            show_progress="hidden",
        )
        inputs = [image, class_names, background, threshold, opacity, mode]
        outputs = [masks, message, *files]
        # One after another: the devices are busy with one image anyway.
        gr.on(
            [button.click, class_names.submit],
            on_click,
            inputs,
            outputs,
            api_name="segment",
            # The file as it was uploaded: gradio would decode every format that Pillow has.
            preprocess=False,
            concurrency_limit=1,
        )
    return page.queue(max_size=_MAX_WAITING)


@contextlib.contextmanager
def serving(page: gr.Blocks, host: str, port: int) -> Any:
    """Serves the page in threads; yields its address.

    Raises:
        UserError: the port is in use, or the host is none of this machine.
    """
    try:
        _, address, _ = page.launch(
            server_name=host,
            server_port=port,
            share=False,
            quiet=True,
            prevent_thread_lock=True,
            max_file_size=MAX_UPLOAD,
            ssr_mode=False,
            footer_links=[],
            enable_monitoring=False,
            app_kwargs={"exception_handlers": {OSError: _refuse_upload}},
            theme=gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["monospace"]),
        )
    except OSError as error:
        raise cannot_serve(host, port, error) from error
    try:
        yield address
    finally:
        page.close(verbose=False)


def _upload(image: dict[str, Any] | None, folder: Path) -> str | None:
    """The path of the upload.

    Raises:
        UserError: it is a path of the machine outside of the folder of uploads; nobody may ask for those.
    """
    path = image.get("path") if image else None
    if path is not None and not Path(path).resolve().is_relative_to(folder.resolve()):
        raise UserError("the image is no upload to this page; upload one")
    return path


def _refuse_upload(request: Request, error: Exception) -> PlainTextResponse:
    """The answer to an upload that cannot be stored; without it, the log has a trace and the page nothing."""
    del request
    return PlainTextResponse(_sentence(error), status_code=507)


def _sentence(error: Exception) -> str:
    """The error for the page; only a UserError names no path of the machine."""
    if isinstance(error, UserError):
        return str(error)
    return f"disk or memory of the machine do not suffice ({type(error).__name__}); try a smaller image"


def _proposed(class_names: Sequence[str]) -> str:
    """The first synonyms of the names of the training, if they are few."""
    names = [split_synonyms(name)[0] for name in class_names]
    return ",".join(names) if len(names) <= _MAX_PROPOSED else ""
