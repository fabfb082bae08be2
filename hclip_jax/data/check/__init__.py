"""What is wrong with a labelled folder, all of it at once.

files      pictures and labels, and those that have no partner
pair       one picture and its label
classes    the class list, and ids against it
folder     all of a folder: the report
findings   the same trouble in many files as one finding, with its fix
report     tables, JSON and Markdown
previews   which pictures to paint
"""
