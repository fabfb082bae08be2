"""Segmentation of images of any size with given class names.

segment_images  from images to segmentations, in batches or tiles
predictor       class ids or probabilities of a batch of images
output          from the logits of an image's views to its class ids or probabilities
blocks          blocks of the output, which is computed block by block
tiles           tiles of a large image, each segmented as an image of its own
sliding_window  views of an image, and how their probabilities are averaged
text_cache      text features on disk
exported        traced programs on disk
segmentation    the result for one image
overlay         class colours and a legend over an image
frame_overlay   the same over frames of a video
polygons        outlines of the regions of a label
comparison      image, ground truth, prediction and errors side by side
legend          the legend of both
palette         class colours
"""
