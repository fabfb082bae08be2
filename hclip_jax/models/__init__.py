"""H-CLIP: the two CLIP towers and the segmentation head.

hclip   from images and class names to logits
clip/   the towers       head/   cost volume to logits
params  trees of parameters
"""
