"""Labelled images: data set sources, decoding, augmentation and batches.

types       Example and Source: the interface of every data set
sources     opens a data set by its root
folder      a labelled folder        scan  pairs its files, for training and for the check
image_names names of images that are unique
layout      other ways to lay out files; open_labels opens each
patterns    nested folders           colour_map  labels as colours      coco  JSON of COCO, and panoptic PNGs
labelme     a JSON of shapes for each image
coco_file   such a JSON; coco_annotations  its regions        rle, rasterize  regions to masks
named_ids   class ids by names
labels      reads the label of an image, by label_io from a file
data_folder HCLIP_DATA                  listing     the files of a folder  spread  a few of many, evenly
digest      of the files of a data set  labelled    whether labels show more than a class
tfds        a TFDS directory
scenes/     built-in images without a download
transforms  training augmentation; resize for evaluation      hue_saturation  a part of its colour jitter
loader      training batches and evaluation examples
check/      the report on a labelled folder
"""
