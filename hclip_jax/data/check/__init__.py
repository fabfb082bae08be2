"""The report on a labelled folder: all issues of all files, each with its fix.

files      issues with the names of files; data/scan.py pairs images and labels
find_files the input of a check: files, readers of labels, class names
pair       issues of one image and its label; kinds names them
thin_lines ids that interpolation made, in one label
ids        issues of the ids of all labels
classes    issues of the class list, and classes without a label
folder     the whole folder: makes the report
issues     kinds of issues, and the groups that a report lists
report     tables, JSON and Markdown
"""
