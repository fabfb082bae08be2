"""The model card of a repository: README.md with the metadata that the Hub reads."""

import html
import math
from collections.abc import Mapping
from typing import NamedTuple

from hclip_jax.config.schema import ClipConfig
from hclip_jax.version import __version__
from hclip_jax.weights.built_in import is_built_in
from hclip_jax.weights.checkpoint import Checkpoint, ModelSpec
from hclip_jax.weights.hub.names import HubName

_PAPER = "https://arxiv.org/abs/2405.18840"
_FIGURES = ("mIoU", "fwIoU", "mACC", "pACC")


class Facts(NamedTuple):
    """The facts about a model that its parameters do not state.

    Attributes:
        license: identifier of the weights' licence on the Hub, such as "mit".
        base_model: OWNER/NAME of its CLIP on the Hub; "" if unknown.
        evaluations: name of an evaluation set -> figures of `evaluation.report`, such as {"mIoU": 41.2}.
    """

    license: str = "unknown"
    base_model: str = ""
    evaluations: Mapping[str, Mapping[str, float]] = {}


def model_card(model: Checkpoint, spec: ModelSpec, name: HubName, facts: Facts) -> str:
    """The text of README.md for a segmenter.

    Args:
        model: the segmenter, with or without CLIP.
        spec: its description.
        name: its name on the Hub.
        facts: see `Facts`.
    """
    title = name.repo.partition("/")[2]
    sections = (
        f"# {title}",
        _summary(model, spec, facts.base_model),
        _usage("clip" in model.parts, name),
        _figures(facts.evaluations),
        _class_names(spec.class_names),
        _limits(model.clip),
    )
    metadata = _metadata(spec, title, facts)
    return "\n\n".join((f"---\n{metadata}\n---", *filter(None, sections))) + "\n"


def _metadata(spec: ModelSpec, title: str, facts: Facts) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    results = [
        EvalResult(
            task_type="image-segmentation",
            dataset_type=dataset,
            dataset_name=dataset,
            metric_type="mean_iou",
            metric_name="mIoU",
            metric_value=round(figures["mIoU"], 2),
        )
        for dataset, figures in facts.evaluations.items()
        if "mIoU" in figures
    ]
    method = spec.architecture.adapters.method
    return ModelCardData(
        license=facts.license,
        base_model=facts.base_model or None,
        library_name="hclip_jax",
        pipeline_tag="image-segmentation",
        tags=["open-vocabulary-segmentation", "clip", "jax", f"tuning:{method}"],
        metrics=["mean_iou"],
        model_name=title if results else None,
        eval_results=results or None,
    ).to_yaml()


def _summary(model: Checkpoint, spec: ModelSpec, base_model: str) -> str:
    image, size = model.clip.image, spec.architecture.model.image_size
    base = f"[{base_model}](https://huggingface.co/{base_model}), " if base_model else ""
    count = sum(math.prod(param.shape) for param in model.params.values())
    rows = (
        ("CLIP", f"{base}{image.num_layers} layers of width {image.width}, patches of {image.patch_size}"),
        ("input", f"{size} x {size} pixels"),
        ("tuning method", spec.architecture.adapters.method),
        ("parts", f"{', '.join(model.parts)}: {count:,} parameters"),
        ("origin", model.source.replace("|", "\\|")),
        ("written by", f"hclip_jax {__version__}"),
    )
    table = "\n".join(f"| {key} | {value} |" for key, value in rows)
    return (
        f"Labels every pixel of an image with any class names. CLIP and a segmentation head, for "
        f"hclip_jax, the JAX/Flax system for [H-CLIP]({_PAPER}).\n\n| | |\n|---|---|\n{table}"
    )


def _usage(has_clip: bool, name: HubName) -> str:
    option, argument, note = "", "", ""
    if not has_clip:
        option, argument = " --base=CLIP", ', base="CLIP"'
        note = "\n\nIt has no CLIP: give the one that it was trained on, by its path or its name on the Hub."
    return f"""## Use

```bash
hclip segment photos/ --model={name}{option} --classes="person,sea,sand,sky" --output=out
```

```python
from hclip_jax import Segmenter

segmenter = Segmenter.load("{name}"{argument})
result = segmenter("photo.jpg", ["person", "sea", "sand", "sky"])
result.overlay().save("overlay.png")
```{note}"""


def _figures(evaluations: Mapping[str, Mapping[str, float]]) -> str:
    if not evaluations:
        return "## Evaluation\n\nThe model was published without figures."
    columns = ("images", *_FIGURES)
    rows = [("set", *columns), ("---",) * (1 + len(columns))]
    for dataset, figures in evaluations.items():
        percent = (f"{figures[name]:.2f}" if name in figures else "" for name in _FIGURES)
        rows.append((dataset, str(figures.get("images", "")), *percent))
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"## Evaluation\n\nIn percent, by `hclip evaluate`.\n\n{table}"


def _class_names(class_names: tuple[str, ...]) -> str:
    if not class_names:
        return "## Class names\n\nThose of the training are not known."
    listed = "\n".join(f"{id_}. {name}" for id_, name in enumerate(class_names))
    return (
        f"## Class names\n\nThe {len(class_names)} names of the training are the default; any others can be "
        f"given.\n\n<details><summary>all names, by id</summary>\n\n{html.escape(listed)}\n\n</details>"
    )


def _limits(clip: ClipConfig) -> str:
    drawings = "\n- Its CLIP is the small one of hclip_jax, trained on drawings: photos need another model."
    return (
        "## Limits\n\n"
        "- Every pixel gets one of the given names, whether it is in the image or not; `--background` and "
        "`--threshold` leave pixels out.\n"
        "- Names that are far from those of the training, and small things, are found less well.\n"
        "- CLIP's biases are those of its training data. Its licence and those of the training data hold for "
        "these weights too." + (drawings if is_built_in(clip) else "")
    )
