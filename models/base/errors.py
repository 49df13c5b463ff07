"""The one exception for input that is not acceptable."""


class InputError(ValueError):
    """Input that cannot be used, said in one sentence for the person who gave it.

    The sentence names the file (where there is one), the field and the rule. The command line prints it
    without a traceback and exits with code 2.
    """
