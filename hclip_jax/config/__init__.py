"""Configuration: schema, builder, checks and command-line overrides. Needs no JAX."""
