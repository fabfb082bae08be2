"""Built-in scenes with pixel labels, as a data set."""

import numpy as np

from hclip_jax.data.scenes.drawing import draw
from hclip_jax.data.scenes.label_sets import COMPOSITIONS, LABEL_SETS, SEEN, class_ids
from hclip_jax.data.types import Example
from hclip_jax.errors import UserError

COUNTS = {"train": 2000, "val": 64, "test": 128}


class ScenesSource:
    """Scenes drawn on demand; scene i of a split is always the same picture."""

    def __init__(self, split: str, vocabulary: str = "seen", count: int | None = None) -> None:
        """Chooses what to draw and how to name it.

        Args:
            split: "train" (compositions that are SEEN), "val" or "test" (all).
            vocabulary: one of LABEL_SETS; in "seen" other objects' pixels are IGNORE. Pixels do not
                depend on it.
            count: how many scenes; by default 2000, 64 or 128.

        Raises:
            UserError: an unknown split or vocabulary.
        """
        for kind, given, known in (
            ("split", split, COUNTS),
            ("vocabulary", vocabulary, LABEL_SETS),
        ):
            if given not in known:
                raise UserError(f"the built-in scenes have no {kind} {given!r}: choose {', '.join(known)}")
        self.class_names = LABEL_SETS[vocabulary]
        self._split = split
        self._count = COUNTS[split] if count is None else count
        self._class_of = class_ids(vocabulary)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Example:
        if not 0 <= index < self._count:
            raise IndexError(f"scene {index} of {self._count}")
        rng = np.random.default_rng((tuple(COUNTS).index(self._split), index))
        short = int(rng.integers(160, 225))
        long = int(rng.integers(short, 321))
        height, width = (short, long) if rng.random() < 0.75 else (long, short)
        if self._split == "train":
            image, things = draw(height, width, SEEN, rng)
        else:
            # On top, so that any 20 scenes show every composition.
            last = COMPOSITIONS[index % len(COMPOSITIONS)]
            image, things = draw(height, width, COMPOSITIONS, rng, last)
        return {
            "image": image,
            "label": self._class_of[things],
            "name": f"{self._split}_{index:05d}",
        }
