"""PyTorch zip files, read and written without PyTorch."""
