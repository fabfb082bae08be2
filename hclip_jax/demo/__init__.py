"""A web page on this machine: an image and words in, masks out.

`answer.py` is what a click does, without a browser; `page.py` lays out the page; `examples.py` draws its
examples. Needs the extra `demo`.
"""
