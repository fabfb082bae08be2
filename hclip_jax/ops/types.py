"""Array types for annotations."""

import numpy as np
from jax import Array

AnyArray = Array | np.ndarray
"""A JAX array or a NumPy array; JAX's functions accept both and return JAX arrays."""
