"""report.html: a training on one page that needs no other file, host or script.

curves    lines over steps, as SVG
bars      IoU of each class
matrix    which classes are taken for which
gallery   images with their ground truth and prediction
page      the sections, and the file
"""
