"""Segmentation of images of any size with given class names."""
