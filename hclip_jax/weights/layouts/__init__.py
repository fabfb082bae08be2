"""Name tables between PyTorch state dicts and our parameter tree.

layout       Part and Tensor, the rows of a table; check, read and write apply one
openai       OpenAI's and OpenCLIP's CLIP
huggingface  Hugging Face's CLIPModel
hclip        the published H-CLIP and CAT-Seg
"""
