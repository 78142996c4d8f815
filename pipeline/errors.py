"""Errors that a person can mend."""


class UserError(Exception):
    """Bad input of the user's: one line with the file, the place and what to type. The command line prints it and exits 2."""
