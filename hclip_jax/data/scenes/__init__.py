"""Built-in scenes: labelled images and phrases without a download, for open-vocabulary tests.

label_sets  stuff, objects and their class names: label sets, synonyms, held-out compositions
textures    backgrounds
shapes      outlines of objects
patterns    surface patterns of objects
drawing     draws one scene from a random generator
source      scenes with pixel labels, as a data set
phrases     phrases that name a thing, for pretraining
"""
