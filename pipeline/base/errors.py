"""The errors that end a command with one message instead of a traceback."""


class UserError(Exception):
    """Bad input of the user: one line that names the file and the place, and says what to type (exit code 2)."""


class RunFailed(Exception):
    """Some shards failed; all others are finished and kept (exit code 1).

    The text names each failed shard, the reason, and the file that holds its traceback.
    """
