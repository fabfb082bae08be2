"""H-CLIP: the two CLIP towers and the segmentation head."""
