"""Weights of other formats to our parameter tree and back.

tensor_map   one PyTorch tensor and the parts of our tree it holds; reading, writing, the difference
clip_names   the tensors of OpenAI's CLIP (and OpenCLIP's, which has the same names)
hclip_names  the tensors of the published H-CLIP model
files        name -> array from a file
"""
