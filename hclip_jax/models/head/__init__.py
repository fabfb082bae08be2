"""The segmentation head: cost aggregation as in CAT-Seg.

cost_volume           cosines of patches and prompts, and the selection of the classes to segment
spatial_aggregation   windowed attention over the patches of each class
class_aggregation     linear attention over the classes at each patch
decoder               guided upsampling to four times the patch grid
head                  all of them in this order
layers                their dense, convolution and upsampling layers
"""
