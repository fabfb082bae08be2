"""Labelled pictures: where they come from, and how they become batches and examples."""
