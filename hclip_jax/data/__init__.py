"""Labelled images: data set sources, decoding, augmentation and batches.

types       Example and Source: the interface of every data set
sources     opens a data set by its root
folder      a labelled folder        scan  pairs its files, for training and for the check
layout      other ways to lay out files; open_labels opens each
patterns    nested folders           colour_map  labels as colours      coco  JSON of COCO, and panoptic PNGs
labels      reads the label of an image; named_ids: class ids by names; rle, rasterize: regions to masks
tfds        a TFDS directory
scenes/     built-in images without a download
image_io    image and label files to arrays
transforms  training augmentation; resize for evaluation
loader      training batches and evaluation examples
check/      the report on a labelled folder
"""
