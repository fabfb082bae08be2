"""The built-in world: labelled and captioned pictures without a download, rich enough to be a test.

words      what there is and what it is called: vocabularies, synonyms, compositions that are held out
textures   backgrounds
shapes     outlines of objects
patterns   what is painted on objects
drawing    one scene, from a random generator
source     scenes with pixel labels, as a data set
captions   scenes in words, without pixel labels
"""
