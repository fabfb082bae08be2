"""Uploads a model to a repository on the Hub."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from hclip_jax.errors import UserError
from hclip_jax.weights.hub.failures import endpoint, hub_errors
from hclip_jax.weights.hub.names import HubName


def check_target(name: HubName) -> None:
    """Raises UserError if a model cannot be uploaded under `name`."""
    if name.kind != "model" or name.revision or name.path:
        raise UserError(f"{name} is no target for a model; give hf:OWNER/NAME, which gets a new commit")


@contextmanager
def _progress_bars() -> Iterator[None]:
    """Without bars in the block where stderr is no terminal: those of uploads do not look."""
    from huggingface_hub import utils

    if sys.stderr.isatty() or utils.are_progress_bars_disabled():
        yield
        return
    utils.disable_progress_bars()
    try:
        yield
    finally:
        utils.enable_progress_bars()


def upload(name: HubName, files: Mapping[str, Path | bytes], private: bool) -> str:
    """Uploads files as one commit; the repository is created if it is missing.

    Args:
        name: the repository, without revision and path.
        files: path in the repository -> a file or its content.
        private: whether only its owner may read the repository.

    Returns:
        The address of the repository.

    Raises:
        UserError: the Hub cannot be reached, the token is missing or may not write, or the repository is
            public and `private` is set.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    with hub_errors(name, "nothing was changed there", access="write"), _progress_bars():
        api = HfApi(library_name="hclip_jax")
        api.create_repo(name.repo, private=private or None, exist_ok=True)
        if private and not api.repo_info(name.repo).private:
            raise UserError(f"{name} exists and is public; leave --private out, or give another name")
        additions = [
            CommitOperationAdd(path, content if isinstance(content, bytes) else str(content))
            for path, content in files.items()
        ]
        api.create_commit(name.repo, additions, commit_message="Upload with hclip push")
    return f"{endpoint()}/{name.repo}"
