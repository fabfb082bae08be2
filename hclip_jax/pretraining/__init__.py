"""Contrastive pretraining of a small CLIP on patches of the built-in scenes and phrases that name them.

regions      endless batches of images, the thing that each patch shows, and phrases
contrastive  the loss, and the accuracy of patches
train        trains a small CLIP
"""
