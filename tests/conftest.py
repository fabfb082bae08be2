"""Every test runs under strict dtype promotion, with warnings as errors, on eight CPU devices."""

import os

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["JAX_NUM_CPU_DEVICES"] = "8"

import hclip_jax  # noqa: F401  (sets the XLA flags before jax is imported)

import jax  # isort: skip
from absl import flags  # isort: skip

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_default_matmul_precision", "highest")
flags.FLAGS.mark_as_parsed()  # grain's worker processes read absl flags
