"""CLIP as OpenAI defines it, without any code of the tuning methods.

image_encoder  ViT tower: a feature for every patch, or one for the image
text_encoder   causal transformer: a feature for every prompt
block          pre-norm transformer block, and the parameters of a stack of them
attention      multi-head self-attention
preprocessing  pixel statistics
"""
