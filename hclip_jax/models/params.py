"""The type of parameter trees."""

from typing import Any

Params = dict[str, Any]
"""A nested dict of arrays, such as {"clip": {"image", "text", "logit_scale"}, "adapters", "head"}."""
