"""The seven data sets of the paper, and Cityscapes: their official files are read, verified and prepared.

dataset.py      Dataset: layout, splits, counts, digests, archives, terms
coco_stuff_171.py ade20k_150.py ade20k_847.py pascal_context_59.py pascal_context_459.py pascal_voc_20.py
pascal_voc_20b.py cityscapes_19.py   one data set each; pascal_context_files.py has what two of them share
catalogue.py    CATALOGUE: the data sets by key
published.py    published figures, with source and formula
locate.py       the folder of a data set below a source
images.py opencv_resize.py   reading of image files, masks and sizes as the published scripts do
records.py      official files -> checked records, over several processes, by workers.py
summary.py      counts over the images of a split
verify.py       completeness and the sentences that name what is missing
prepare.py      writes a prepared set through tfds_format.py or folder_format.py; prepared.py reads its state

Class names, raw ids and lists of names are data files, which package_files.py reads. Nothing here
imports JAX.
"""
