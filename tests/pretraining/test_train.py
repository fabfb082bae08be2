from hclip_jax.config.validate import from_config_dict
from hclip_jax.configs import tiny
from hclip_jax.pretraining.train import evaluate_patches
from hclip_jax.training.init import BUILT_IN
from hclip_jax.weights.model_directory import load_model


def test_the_tiny_clip_tells_the_things_of_scenes_apart_by_their_class_names() -> None:
    params = load_model(BUILT_IN["tiny"]).load_params()["clip"]
    clip = from_config_dict(tiny.get_config()).clip
    assert evaluate_patches(clip, params, 16) > 0.6


def test_size_of_the_tiny_clip() -> None:
    assert sum(file.stat().st_size for file in BUILT_IN["tiny"].iterdir()) < 4e6
