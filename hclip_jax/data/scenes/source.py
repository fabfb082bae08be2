"""Built-in scenes with pixel labels, as a data set."""

import numpy as np

from hclip_jax.data.scenes.drawing import draw
from hclip_jax.data.scenes.label_sets import COMPOSITIONS, LABEL_SETS, SEEN, class_ids
from hclip_jax.data.types import Example
from hclip_jax.errors import UserError

NUM_SCENES = {"train": 2000, "val": 64, "test": 128}


class ScenesSource:
    """Scenes drawn on demand; scene i of a split is a pure function of the split and i."""

    def __init__(self, split: str, label_set: str = "seen", num_scenes: int | None = None) -> None:
        """Selects the scenes and their class names.

        Args:
            split: "train" (compositions of SEEN), "val" or "test" (all compositions).
            label_set: one of LABEL_SETS. In "seen" the pixels of other objects are IGNORE. The images do not
                depend on it.
            num_scenes: number of scenes; by default 2000, 64 or 128.

        Raises:
            UserError: an unknown split or label set.
        """
        for argument, value, choices in (
            ("split", split, NUM_SCENES),
            ("label_set", label_set, LABEL_SETS),
        ):
            if value not in choices:
                raise UserError(
                    f"the built-in scenes have no {argument} {value!r}: choose {', '.join(choices)}"
                )
        self.class_names = LABEL_SETS[label_set]
        self._split = split
        self._num_scenes = NUM_SCENES[split] if num_scenes is None else num_scenes
        self._class_ids = class_ids(label_set)

    def __len__(self) -> int:
        return self._num_scenes

    def digest(self) -> str:
        """Always the same: the scenes do not change."""
        return "scenes"

    def __getitem__(self, index: int) -> Example:
        if not 0 <= index < self._num_scenes:
            raise IndexError(f"scene {index} of {self._num_scenes}")
        rng = np.random.default_rng((tuple(NUM_SCENES).index(self._split), index))
        short = int(rng.integers(160, 225))
        long = int(rng.integers(short, 321))
        height, width = (short, long) if rng.random() < 0.75 else (long, short)
        if self._split == "train":
            image, things = draw(height, width, SEEN, rng)
        else:
            # The topmost object is fixed, so that any 20 consecutive scenes show every composition.
            topmost = COMPOSITIONS[index % len(COMPOSITIONS)]
            image, things = draw(height, width, COMPOSITIONS, rng, topmost)
        return {
            "image": image,
            "label": self._class_ids[things],
            "name": f"{self._split}_{index:05d}",
        }
