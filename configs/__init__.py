"""Built-in configurations, installed as hclip_jax.configs.

`hclip train --config=NAME` takes one by name; other files may `from hclip_jax.configs import vitb`.
"""
