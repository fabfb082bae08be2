"""Commands: python -m hclip_jax.tools.NAME."""
