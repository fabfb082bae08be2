"""PyTorch's zip files, read and written without PyTorch; see README.md.

Other packages import `reader.read_torch`, `reader.tensors_by_name` and `writer.write_torch`, nothing else.
"""
