"""The one exception for what a caller got wrong."""


class UserError(ValueError):
    """Bad input: one sentence that names the thing, what was found, what is allowed and the fix.

    The command line prints it without a traceback and exits with status 2.
    """
