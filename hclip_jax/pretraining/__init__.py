"""A small CLIP from pictures and captions of the built-in world, without pixel labels.

pairs        an endless stream of pictures and captions
contrastive  CLIP's loss, and how often the right caption is found
train        the two in a row: the weights of a small CLIP
"""
