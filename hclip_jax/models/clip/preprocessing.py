"""Pixel statistics that CLIP was trained with."""

IMAGE_MEAN = (122.7709383, 116.7460125, 104.09373615)
"""Mean of each channel, RGB in 0..255."""

IMAGE_STD = (68.5005327, 66.6321579, 70.3231630)
"""Standard deviation of each channel, RGB in 0..255."""
