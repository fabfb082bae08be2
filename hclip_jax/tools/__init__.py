"""The commands of `hclip` (see `cli.py`); python -m hclip_jax.tools.NAME runs one of them."""
