"""Cost aggregation: how like each class every patch is, made spatially and mutually consistent.

cost_volume           cosines of patches and prompts, and which classes are worth keeping
spatial_aggregation   windowed attention over the patches of each class
class_aggregation     linear attention over the classes at each patch
decoder               guided upsampling to four times the patch grid
head                  the whole, in the order above
"""
