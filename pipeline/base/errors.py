"""The errors that end a command with one message instead of a traceback."""


class UserError(Exception):
    """Bad input of the user: one line that names the file and the place, and says what to type (exit code 2)."""


class RunFailed(Exception):
    """Some shards failed; all others are finished and kept (exit code 1).

    The text names each failed shard, the reason, and the file that holds its traceback.
    """


class CorruptFile(Exception):
    """A stored file is not what was written: its size or a checksum differs.

    name: the file, relative to the root. uri: the same in full, for messages.
    """

    def __init__(self, name: str, uri: str, problem: str = "a checksum differs"):
        super().__init__(name, uri, problem)  # all of them: an exception is rebuilt from these in another process
        self.name, self.uri, self.problem = name, uri, problem

    def __str__(self) -> str:
        return f"{self.uri}: is not what was written ({self.problem})"


class OutsideBounds(Exception):
    """A finished run is outside of what its recipe allows (exit code 3): the corpus is complete and its folder printed.

    The text has one line for each bound that is violated.
    """


class StorageError(OSError):
    """An object store fails for longer than the retry policy allows, or for good: one line that names the object."""


class DamagedObject(StorageError):
    """An object is not there, or is shorter than it should be, and that has not passed."""
