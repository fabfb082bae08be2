"""The published protocol on an image that is not square."""

from pathlib import Path

import jax
import numpy as np

from hclip_jax.config.validate import from_config_dict
from hclip_jax.inference.predictor import Predictor
from hclip_jax.models.hclip import Model
from hclip_jax.ops import resize
from hclip_jax.sharding import make_mesh
from tests import tolerance
from tests.parity import recipe
from tests.small_models import MINI_CLASSES, mini_dict, mini_params

CASE = np.load(Path(__file__).parent / "sliding_window.npz")


def test_sliding_window() -> None:
    small = recipe.uniform_uint8("image.window", (3, 30, 40)).astype(np.float32)
    image = np.rint(np.asarray(jax.jit(lambda x: resize.bilinear(x, (480, 640), axes=(1, 2)))(small)))
    np.testing.assert_array_equal(image[:, ::16, ::16], CASE["picture"])

    c = mini_dict()
    # The case has no resizing of the shortest edge, and the pooling of training.
    c.evaluation.update(pooling=2, shortest_edge=480)
    config = from_config_dict(c)
    model = Model(config.architecture)
    predictor = Predictor(model, mini_params(), model.prompts(MINI_CLASSES), make_mesh(1), config.protocol)
    images = [image.transpose(1, 2, 0).astype(np.uint8)]
    (probabilities,) = predictor.probabilities(images, [(450, 600)])
    tolerance.assert_within(probabilities[:, ::15, ::15], CASE["probabilities"], tolerance.PROBABILITIES)
    ((ids, _),) = predictor.segment(images, [(450, 600)])
    assert (ids[::3, ::3] == CASE["argmax"]).mean() >= tolerance.ARGMAX
