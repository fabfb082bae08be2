"""Measurements of models and methods: hypersphere, ablation, benchmark."""
