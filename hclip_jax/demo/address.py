"""The address that the page is served at."""

import socket

from hclip_jax.errors import UserError


def check_address(host: str, port: int) -> None:
    """Checks that the page can be served at an address of this machine.

    Raises:
        UserError: the port is in use, or the host is none of this machine.
    """
    try:
        socket.create_server((host, port)).close()
    except (OSError, UnicodeError) as error:  # UnicodeError: a part of the name that is too long
        raise cannot_serve(host, port, error) from error


def cannot_serve(host: str, port: int, error: Exception) -> UserError:
    """The error for an address that cannot be served at, with the reason that the system gave."""
    reason = (getattr(error, "strerror", None) or str(error)).partition(" (while")[0]
    return UserError(
        f"no page can be served at {host}:{port} ({reason}); give another --port, or --host=127.0.0.1"
    )
