"""Errors that a person can mend."""


class UserError(Exception):
    """Bad input of the user's: one line with file, place and what to type (exit 2)."""
