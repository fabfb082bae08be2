"""config.start: a training that starts from a trained model instead of from CLIP alone."""

import dataclasses
from typing import Any, NamedTuple

from flax.traverse_util import flatten_dict

from hclip_jax.config.build import changed_fields, to_dict
from hclip_jax.config.schema import Architecture, Config
from hclip_jax.errors import UserError
from hclip_jax.models.params import Params
from hclip_jax.weights.checkpoint import Checkpoint, fingerprint
from hclip_jax.weights.export import merge_adapters

# Free fields whose change alters the results; other ones alter only how they are computed.
_SAID = ("model.image_size", "prompts.templates", "prompts.synonyms")


class Start(NamedTuple):
    """The parameters that a training starts from.

    Attributes:
        params: "clip", "head", and "adapters" if they are continued; float32 on the host.
        fingerprint: of what a training reads from the start whenever it is opened: the parts that it does not
            train, as the start stores them; empty if it trains all.
        summary: one line for the console.
    """

    params: Params
    fingerprint: str
    summary: str


def open_start(config: Config) -> Start | None:
    """Opens `config.start`.

    Adapters are continued if `config.adapters` is that of the start, and otherwise folded into CLIP.

    Returns:
        The parameters; None without `config.start`.

    Raises:
        UserError: the start cannot be read, is no whole segmenter, or has another CLIP or head than the
            configuration.
    """
    if not config.start:
        return None
    try:
        model = _open(config)
        if "clip" not in model.parts:
            raise UserError(
                f"{model.where} holds adapters without CLIP; give a whole model, for example of hclip merge "
                f"{config.start} TARGET --format=model --base=CLIP"
            )
        architecture = model.require_spec().architecture
    except UserError as error:
        raise UserError(f"config.start: {error}") from error
    _check_fits(config, architecture)
    has_adapters = "adapters" in model.parts
    continues = has_adapters and architecture.adapters == config.adapters
    folds = has_adapters and not continues
    params = (merge_adapters(model, None, keep_precision=True) if folds else model).load_params()
    summary = _summary(config, model, architecture, folds=folds, continues=continues)
    return Start(params, _fingerprint(model, config, folds), summary)


def _open(config: Config) -> Checkpoint:
    # Here, because it opens work directories, whose trainings have a start of their own.
    from hclip_jax.load import open_model

    model = open_model(config.start)
    if model.activation_assumed and model.clip.activation != config.clip.activation:
        model = open_model(config.start, activation=config.clip.activation)
    return model


def _check_fits(config: Config, architecture: Architecture) -> None:
    """Weights of other sizes do not fit, and with another CLIP or head, fitting ones mean something else."""
    found, wanted = _bound_fields(architecture), _bound_fields(config.architecture)
    if changed := changed_fields(found, wanted):
        there, here = (
            ", ".join(f"{field} = {_field(tree, field)}" for field in changed) for tree in (found, wanted)
        )
        raise UserError(
            f"config.start={config.start} is a model with {there}, but the configuration has {here}; give "
            f"the configuration of that model, here --config.{changed[0]}={_field(found, changed[0])}"
        )


def _bound_fields(architecture: Architecture) -> dict[str, Any]:
    """The fields of CLIP and head; where the weights come from and how they are drawn does not matter."""
    clip = dataclasses.replace(architecture.clip, weights="")
    head = dataclasses.replace(architecture.head, prior_prob=0.0)
    return {"clip": to_dict(clip), "head": to_dict(head)}


def _fingerprint(model: Checkpoint, config: Config, folds: bool) -> str:
    parts = {part for part in model.parts if part not in config.train.trainable}
    if folds:
        # The start's adapters are read only to fold them; this training has others.
        parts = parts - {"adapters"} | ({"adapters"} if "clip" in parts else set())
    return fingerprint(model.only(*parts).params) if parts else ""


def _summary(
    config: Config, model: Checkpoint, architecture: Architecture, *, folds: bool, continues: bool
) -> str:
    method = f"adapters ({architecture.adapters.method})"
    taken = f"CLIP, {method} and head" if continues else "CLIP and head"
    line = f"starting from {config.start} ({model.source}): {taken}"
    if folds:
        line += f"; its {method} are folded into CLIP, new ones ({config.adapters.method}) start from it"
    old, new = to_dict(architecture), to_dict(config.architecture)
    changes = [
        f"{field} was {_field(old, field)} and is {_field(new, field)}"
        for field in changed_fields(old, new)
        if field in _SAID
    ]
    return "; ".join([line, *changes])


def _field(tree: Any, path: str) -> Any:
    return flatten_dict(tree, sep=".")[path]
