"""The seven data sets of the paper, and Cityscapes: their official files are read, verified and prepared.

dataset.py      Dataset: layout, splits, counts, digests, archives, terms; one file a data set describes it
catalogue.py    CATALOGUE: the data sets by key
published.py    published figures, with source and formula
locate.py       the folder of a data set below a source
images.py opencv_resize.py   reading of image files, masks and sizes as the published scripts do
records.py      official files -> checked records, over several processes
verify.py       completeness and the sentences that name what is missing
prepare.py      writes a prepared set through tfds_format.py or folder_format.py; prepared.py reads its state

Class names, raw ids and lists of names are data files of this package. Nothing here imports JAX.
"""
