"""The one exception that a user's own mistake raises."""


class InputError(ValueError):
    """An argument, file or setting that cannot be used.

    The message is one line that names the argument, its value, what was expected
    and the remedy. The command lines print it to standard error and exit with
    status 2, without a traceback.
    """
