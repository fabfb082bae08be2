"""Segmentation of images of any size with given class names.

predictor       class ids or probabilities of a batch of images
blocks          blocks of a large output, which is computed block by block
tiles           tiles of a large image, each segmented as an image of its own
sliding_window  views of an image, and how their probabilities are averaged
text_cache      text features on disk
segmentation    the result for one image
overlay         class colours and a legend over an image
palette         class colours
"""
