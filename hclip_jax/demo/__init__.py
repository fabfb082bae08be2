"""A web page on this machine: an image and class names in, masks out.

`answer.py` is what a click does, without a browser; `page.py` lays out the page; `examples.py` draws its
examples; `preview.py` shows what browsers cannot; `address.py` checks where it is served; `retention.py`
removes old answers. Needs the extra `demo`.
"""
