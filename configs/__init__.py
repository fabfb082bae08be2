"""Configurations that come with the package: --config=NAME, or `from hclip_jax.configs import NAME`."""
