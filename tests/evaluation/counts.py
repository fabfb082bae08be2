"""Made-up counts of images, as an evaluation collects them."""

import numpy as np

from hclip_jax.evaluation.image_counts import ImageCounts


def make_counts(
    rng: np.random.Generator, num_images: int, num_classes: int, *, skill: float = 0.5, truth_seed: int = 0
) -> ImageCounts:
    """Noisy predictions of images with two or three classes each; equal seeds of the truth, equal truth."""
    truth_rng = np.random.default_rng(truth_seed)
    rows = np.zeros((num_images, 3, num_classes), np.int64)
    for intersection, truth, prediction in rows:
        classes = truth_rng.choice(num_classes, min(num_classes, truth_rng.integers(2, 4)), replace=False)
        truth[classes] = truth_rng.integers(1, 500, len(classes))
        image = rng.normal(skill, 0.15)
        share = np.clip(image + rng.normal(0, 0.1, num_classes), 0, 1)
        intersection[:] = truth * share
        prediction[:] = intersection
        missed = truth - intersection
        np.add.at(prediction, rng.choice(classes, num_classes), missed)
    names = [f"class {t}" for t in range(num_classes)]
    return ImageCounts.from_rows(names, [f"image {n}" for n in range(num_images)], list(rows))


def take(counts: ImageCounts, images: np.ndarray) -> ImageCounts:
    """The counts of some images, in their order and as often as they are named."""
    return ImageCounts(
        counts.class_names,
        tuple(counts.image_names[i] for i in images),
        counts.intersection[images],
        counts.truth[images],
        counts.prediction[images],
    )
