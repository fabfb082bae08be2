"""Operations shared by the CLIP towers and the segmentation head."""
