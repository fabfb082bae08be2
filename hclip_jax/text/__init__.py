"""Class names, prompts and tokens.

class_names   reads and checks class lists
class_list    class lists as tools write them
name_list     names as a person types them
reading       the words that CLIP reads in a class name
class_groups  classes of several names: synonyms, background
templates     class names in prompt templates, tokenized; needs no JAX
prompts       tokenized prompts as a pytree
tokenizer     CLIP's tokenizer
"""
