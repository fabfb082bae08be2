"""PyTorch's zip files, read and written without PyTorch; see README.md.

reader     a file to plain data and lazy arrays     writer        a state dict to a file
pickle_vm  pickles, without running code            strided_view  tensors as views of their storage
objects    the few global names that are known

Other packages import `reader.read_torch`, `reader.tensors_by_name` and `writer.write_torch`, nothing else.
"""
