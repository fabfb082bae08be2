"""Errors of the Hub and of the network, each as one sentence."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hclip_jax.errors import UserError, one_line
from hclip_jax.weights.hub.names import HubName

if TYPE_CHECKING:
    from huggingface_hub.errors import HfHubHTTPError

_LOG_IN = "log in (hf auth login) or set HF_TOKEN to a token with access"


def endpoint() -> str:
    """The address of the Hub: HF_ENDPOINT, or huggingface.co."""
    from huggingface_hub import constants

    return constants.ENDPOINT


def is_unreachable(error: Exception) -> bool:
    """Whether the Hub gave no answer, or one of a server that is down."""
    from huggingface_hub import errors

    if isinstance(error, errors.HfHubHTTPError):
        return error.response.status_code >= 500
    return isinstance(error, errors.HTTPError) or is_offline(error)


def is_offline(error: Exception) -> bool:
    """Whether the Hub was not asked, because HF_HUB_OFFLINE is set."""
    from huggingface_hub import errors

    return isinstance(error, errors.OfflineModeIsEnabled)


@contextmanager
def hub_errors(name: HubName, consequence: str, access: str = "read") -> Iterator[None]:
    """Converts the exceptions of huggingface_hub in the block to UserError.

    Args:
        name: named by the messages.
        consequence: of a connection that is missing or lost, "the download broke off".
        access: "read" or "write".
    """
    from huggingface_hub import errors

    try:
        yield
    except UserError:
        raise
    except errors.OfflineModeIsEnabled as error:
        raise UserError(
            f"{name}: HF_HUB_OFFLINE is set, and {consequence}; unset it, or give a path"
        ) from error
    except errors.HfHubHTTPError as error:
        raise UserError(_refusal(error, name, consequence, access)) from error
    except errors.LocalTokenNotFoundError as error:
        raise UserError(f"{name} needs a token; {_LOG_IN}") from error
    except (errors.HTTPError, OSError, RuntimeError) as error:  # RuntimeError: of hf_xet
        if isinstance(error, OSError) and error.errno and not isinstance(error, ConnectionError):
            fix = "set HF_HOME to a folder with space that you may write to"
            raise UserError(f"{name} cannot be stored ({_reason(error)}); {fix}") from error
        raise UserError(
            f"{name}: {endpoint()} cannot be reached ({_reason(error)}), and {consequence}; check the "
            f"connection and run the command again, or give a path"
        ) from error
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError) as error:
        raise UserError(
            f"{name}: {endpoint()} does not answer as the Hugging Face Hub does ({_reason(error)}); check "
            f"HF_ENDPOINT and the proxy, or give a path"
        ) from error


def _refusal(error: "HfHubHTTPError", name: HubName, consequence: str, access: str) -> str:
    """The sentence for an answer of the Hub that is an error."""
    from huggingface_hub import errors

    status = error.response.status_code
    if isinstance(error, errors.GatedRepoError):
        return f"{name} is gated; ask for access on {endpoint()}/{name.repo}, and {_LOG_IN}"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{name.repo} has no revision '{name.revision or 'main'}'; give a branch, a tag or a commit"
    if isinstance(error, errors.RepositoryNotFoundError) or status in (401, 403, 404):
        hint = " (a space is hf:spaces/OWNER/NAME)" if name.kind == "model" else ""
        return (
            f"{endpoint()} has no {name.kind} {name.repo} that you may {access} (status {status}); check the "
            f"name{hint}, or, if it is right, {_LOG_IN}"
        )
    return f"{name}: {endpoint()} answers with the status {status}, and {consequence}; try again later"


def _reason(error: BaseException) -> str:
    """The first line of the message of the error that came first, or its name."""
    while error.__cause__:
        error = error.__cause__
    return one_line(str(error).strip().partition("\n")[0], 200) or type(error).__name__
