"""Reasons of errors of the system, for messages to users."""

from pipeline.base.errors import UserError


def reason_of(error: Exception) -> str:
    """The reason of an error of the system, in one line."""
    return getattr(error, "strerror", None) or (str(error).splitlines() or [type(error).__name__])[0]


def unusable_root(root: str, error: Exception) -> UserError:
    """The error of a root folder that cannot be written."""
    return UserError(f"ROOT={root}: cannot be written ({reason_of(error)}); give another ROOT")
