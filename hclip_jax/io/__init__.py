"""Files and the terminal; knows nothing of models.

paths          paths, and addresses of object stores; copies: their files on this machine
files          atomic writing; checksums             lock           a folder that one process writes to
json_file      JSON                                  tables         Markdown tables
substitutes    what people have in place of a file   progress       the console and progress bars
cache          the cache folder; program_cache: compiled programs in it; cache_entries: everything else
background     work in a thread meanwhile            ahead          items computed before they are asked for
worker         worker processes that end with their parent
code_digest    changes with the code, so that results of another version are not reused
"""
