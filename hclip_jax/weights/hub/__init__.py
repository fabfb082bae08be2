"""Models by name on the Hugging Face Hub, by huggingface_hub: its cache, token, endpoint and offline mode.

names       hf:[spaces/]OWNER/NAME[@REVISION][/PATH]
download    such a name to a path in the cache
cache       its folders: revisions, snapshots, free space
choose      which files of a repository a model needs
failures    errors of the Hub and of the network, each as one sentence
card        README.md with the metadata that the Hub reads
upload      a model to a repository

Importing these modules does not import huggingface_hub; the functions do when they need it.
"""
