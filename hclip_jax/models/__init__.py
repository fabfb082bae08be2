"""H-CLIP: the CLIP towers and the segmentation head."""
