"""Measurements of models and methods.

hypersphere  what a tuning method changed in CLIP: energies, rotation angles, relations
ablation     tuning methods compared over several seeds
benchmark    time and memory of the parts of the system
"""
