"""Mutants that no test can notice, with reasons. All mutants of a line with the comment `# speed` are."""

from fnmatch import fnmatch
from typing import NamedTuple

from tests.mutation.find import Mutant


class Equivalent(NamedTuple):
    """A rule for equivalent mutants.

    Attributes:
        file: pattern of the path below hclip_jax.
        before: text in the source line.
        after: text in "KIND LINE", the kind of the mutant and its line.
        reason: why the change has no effect.
    """

    file: str
    before: str
    after: str
    reason: str

    def matches(self, mutant: Mutant) -> bool:
        """Whether the rule applies to a mutant."""
        return (
            fnmatch(mutant.file, f"hclip_jax/{self.file}")
            and self.before in mutant.before
            and self.after in f"{mutant.kind} {mutant.after}"
        )


_PATHS = "the path for CPUs and the plain form compute the same"
_HALVES = "halves of any size give the same result"
_BLOCKS = "blocks of any size give the same inverse"
_EXAMPLE = "the size of an example input, from which `init` only reads shapes"
_IDS = "ids get no gradient"
_SECOND = "only second derivatives change"

EQUIVALENT = [
    Equivalent(*rule)
    for rule in (
        ("ops/rows.py", "backend.on_cpu()", "condition", _PATHS),
        ("ops/chunked_map.py", "backend.on_cpu()", "condition", _PATHS),
        ("ops/chunked_map.py", "_MIN_HALF_SIZE", "", _HALVES),
        ("ops/chunked_map.py", "middle = x.shape[1] // 2", "// 3", _HALVES),
        ("ops/chunked_map.py", "num_classes <= chunk_size", "comparison", "one chunk gives the same result"),
        ("ops/inverse.py", "_BASE_SIZE = ", "", _BLOCKS),
        ("ops/inverse.py", "<= _BASE_SIZE", "comparison", _BLOCKS),
        ("ops/inverse.py", "half = len(m) // 2", "// 3", _BLOCKS),
        ("ops/inverse.py", "", "gradient", "the one caller that is differentiated has its own derivative"),
        ("ops/rows.py", "len(x) % 2", "len(x) * 2", _HALVES),
        ("ops/rows.py", "", "gradient", "only called by hand-written gradients"),
        ("ops/resize.py", "padded: int = 0", "", "0 and 1 both pad nothing"),
        ("ops/attention.py", "bias = None if bias", "gradient", "the bias gets no gradient"),
        ("adapters/cayley.py", "q = rotation(s)", "gradient", _SECOND),
        ("adapters/cayley.py", "i_plus_q = ", "gradient", _SECOND),
        ("adapters/cayley.py", "norm_squared, 1.0", "2.0", "the outer `where` drops the value"),
        ("adapters/cayley.py", "norm_squared > radius", ">=", "at the radius S is scaled by 1"),
        ("adapters/energy.py", "distance, 1.0", "distance, 2.0", "the outer `where` drops the value"),
        ("adapters/methods.py", "jax.random.key(0)", "", "`eval_shape` draws no numbers"),
        ("models/hclip.py", "jnp.zeros((1, ", "constant", _EXAMPLE),
        ("models/clip/block.py", "jnp.zeros((1, ", "constant", _EXAMPLE),
        ("models/head/head.py", "x[:, :1]", ":2", _EXAMPLE),
        ("models/head/layers.py", "random.uniform", "gradient", "no gradient is taken of initial values"),
        ("models/head/cost_volume.py", "jnp.max(cost", "gradient", _IDS),
        ("models/head/cost_volume.py", "top_k", "gradient", _IDS),
        ("models/head/spatial_aggregation.py", "3 * row + column", "4 * row", "the ids stay distinct"),
        ("models/head/spatial_aggregation.py", "3 * row + column", "- column", "the ids stay distinct"),
        ("models/head/spatial_aggregation.py", "-100.0", "-200.0", "exp of either is 0 next to 1 in float32"),
    )
]
