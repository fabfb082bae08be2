"""The checks that configuration errors are made of: one sentence with field path, value, what is allowed."""

from typing import Any

from hclip_jax.errors import UserError


def wrong(path: str, value: Any, allowed: str) -> UserError:
    """The error for a value at `path` that is not allowed."""
    return UserError(f"{path} is {repr(value)[:200]}; it must be {allowed}")


def check_choices(root: str, *choices: tuple[str, str, tuple[str, ...]]) -> None:
    """Raises UserError for a rule (path below `root`, value, allowed values) that does not hold."""
    for path, value, allowed in choices:
        if value not in allowed:
            raise wrong(f"{root}.{path}", value, f"one of {', '.join(allowed)}")


_ZERO_ALLOWED = (
    "seed",
    "data.workers",
    "adapters.coft_radius",
    "head.prior",
    "train.warmup",
    "train.weight_decay",
    "train.evaluate_every",
    "evaluation.overlays",
    "evaluation.pictures",
    "fold_background",
)


# Larger numbers are mistakes, and would take all memory before anything else could be said of them.
MOST = 2**32 - 1
_AT_MOST = {"layers": 1000, "resolution": 2**14, "mlp_ratio": 1000}


def check_ranges(value: Any, path: str) -> None:
    """Raises UserError if a number in a tree of plain dicts and lists is too small or absurdly large."""
    if isinstance(value, dict):
        for name, item in value.items():
            check_ranges(item, f"{path}.{name}")
    elif isinstance(value, list):
        for i, item in enumerate(value):
            check_ranges(item, f"{path}[{i}]")
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        zero = path.endswith(_ZERO_ALLOWED) or ".train.multipliers." in path
        if not (value > 0 or (zero and value == 0)):
            raise wrong(path, value, "0 or more" if zero else "more than 0")
        most = next((most for name, most in _AT_MOST.items() if path.endswith(name)), MOST)
        if value > most:
            raise wrong(path, value, f"at most {most}")


def check_divides(root: str, *rules: tuple[str, int, str, int]) -> None:
    """Raises UserError for a rule (path, value, path, divisor) that does not hold."""
    for whole, value, part, divisor in rules:
        if value % divisor:
            raise UserError(
                f"{root}.{whole} is {value}, which {root}.{part} = {divisor} does not divide; "
                f"choose one that does"
            )
