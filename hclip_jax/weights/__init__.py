"""Weights on disk: model directories, and the formats of other programs, to our parameter tree and back.

checkpoint          a model whose parameters are still on disk
lazy_array          an array whose values are loaded on request
model_directory     our format: model.safetensors and config.json
open_checkpoint     files of other programs as a Checkpoint
weight_file         name -> array of any such file, and its config.json
safetensors_file    safetensors files
wrappers            keys and prefixes that other programs put round a CLIP
sharded             weights in several files with an index
torch_zip/          PyTorch's zip files, without PyTorch and without running code
detect              which model a file holds
hf_config           checked fields of a config.json
reference_defaults  what files of the published models do not state
hub/                models by name on the Hugging Face Hub: downloads, and uploads with a model card
layouts/            name tables between PyTorch state dicts and our parameter tree
export              CLIP with the adapters folded in, in the formats of other programs
built_in            the small CLIP of the package, in weights/tiny
clip_features       features of fixed inputs, by which two sets of weights are compared
"""
