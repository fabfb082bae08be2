from hclip_jax.config.validate import from_config_dict
from hclip_jax.configs import tiny
from hclip_jax.pretraining.pairs import eval_pairs
from hclip_jax.pretraining.train import evaluate_retrieval
from hclip_jax.training.init import BUILT_IN
from hclip_jax.weights.model_directory import load_model


def test_retrieval_accuracy_of_the_tiny_clip() -> None:
    params = load_model(BUILT_IN["tiny"]).load_params()["clip"]
    clip = from_config_dict(tiny.get_config()).clip
    pairs = eval_pairs(256, clip.image.image_size, clip.text.context_length)
    assert evaluate_retrieval(clip, params, pairs["image"], pairs["tokens"]) > 0.6


def test_size_of_the_tiny_clip() -> None:
    assert sum(file.stat().st_size for file in BUILT_IN["tiny"].iterdir()) < 2e6
