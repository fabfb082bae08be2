"""Configuration. Needs no JAX.

schema     the fields, as frozen dataclasses: types, choices and ranges
adapters   one class a tuning method, with the method's defaults
build      plain dicts -> dataclasses and back, checked field by field
validate   checks of fields against each other; a whole configuration from a dict
validate_adapters  the same for a tuning method
overrides  a configuration from a Python file and --config.a.b=value flags
"""
