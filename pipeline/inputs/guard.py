"""Units of a file that a reader announces before it reads them, so that a process that dies in one names it.

A unit is a part of a file that can be left out alone: a line, a row group, a page of a column. The watchdog
(`extract.watchdog`) gives readers a guard that writes the unit to shared memory; commands without a watchdog use
`NO_GUARD`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Unit(NamedTuple):
    """A part of a file. `level` 0 is read first; where that kills the process, smaller units of level 1 are read."""

    level: int
    offset: int


WHOLE_RANGE = Unit(0, -1)  # of a reader that announces no units, or between two units


@dataclass
class ReadGuard:
    """Announces units. `killed` are the ones in which the process died, with what killed it."""

    killed: Mapping[Unit, str] = field(default_factory=dict)

    def enter(self, unit: Unit) -> str:
        """Announce a unit. Returns what killed the process in this unit before, "" if nothing did."""
        self.announce(unit)
        return self.killed.get(unit, "")

    def leave(self) -> None:
        """Announce that no unit is being read."""
        self.announce(WHOLE_RANGE)

    def announce(self, unit: Unit) -> None:
        """Tell whoever watches this process. A process that nobody watches tells nobody."""


NO_GUARD = ReadGuard()
