"""The cost aggregation alone, with fewer and with more classes than `max_classes`."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hclip_jax.models.head.cost_volume import ABSENT_LOGIT, scatter_class_logits
from hclip_jax.models.head.head import Aggregator
from tests import tolerance
from tests.parity import recipe
from tests.small_models import channels_last, mini, mini_params

CONFIG = mini()


@pytest.mark.parametrize(
    ("batch", "num_classes", "stride"), [(2, 5, 4), pytest.param(1, 300, 8, marks=pytest.mark.slow)]
)
def test_logits(batch: int, num_classes: int, stride: int) -> None:
    case = np.load(Path(__file__).parent / f"aggregator_{num_classes}.npz")
    patch_features, appearance, guidance1, guidance2 = (
        channels_last(recipe.normal(name, (batch, *shape)))
        for name, shape in (
            ("agg.image", (32, 24, 24)),
            ("agg.res3", (32, 24, 24)),
            ("agg.res4", (256, 48, 48)),
            ("agg.res5", (128, 96, 96)),
        )
    )
    text = recipe.normal("agg.text", (batch, num_classes, 1, 32))
    apply = jax.jit(Aggregator(CONFIG.head, jnp.float32, 32, remat_policy="none").apply, static_argnums=5)
    params = {"params": mini_params()["head"]["aggregator"]}
    for i in range(batch):  # the case has other class names for each image, our interface has not
        one = slice(i, i + 1)
        guidance = (guidance1[one], guidance2[one])
        result = apply(params, patch_features[one], text[i], appearance[one], guidance, 2)
        logits = scatter_class_logits(result[0], result[1], num_classes)[0]
        tolerance.assert_within(logits[:, ::stride, ::stride], case["logits"][i], tolerance.AGGREGATOR)
        topk = np.asarray((logits != ABSENT_LOGIT).any((1, 2)))
        np.testing.assert_array_equal(topk, case["kept"][i])
