"""Contrastive pretraining of a small CLIP on captioned scenes, without pixel labels.

pairs        endless batches of images and captions
contrastive  the loss, and the retrieval accuracy
train        trains a small CLIP
"""
