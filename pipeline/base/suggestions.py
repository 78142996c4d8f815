"""Messages about misspelt names: the nearest name that exists, or the list of those there are."""

import difflib
from collections.abc import Iterable, Mapping

MIN_SIMILARITY = 0.5  # difflib's ratio, from which a name is offered as a guess


def nearest_name(name: str, known: Iterable[str]) -> str:
    """Return the known name that `name` resembles most, "" when none is similar.

    A known name with a placeholder (`best:<column>`) is compared by what precedes its colon.
    """
    stems = {candidate.partition(":<")[0]: candidate for candidate in known}
    spelled = name
    if any(stem != candidate for stem, candidate in stems.items()):
        spelled = name.partition(":")[0]
    matches = difflib.get_close_matches(spelled, list(stems), 1, MIN_SIMILARITY)
    return stems[matches[0]] if matches else ""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> str:
    """Return `unknown <kind> 'nam': did you mean 'name'?`, or the list of names where none is similar."""
    names = sorted(known)
    guess = nearest_name(name, names)
    if guess:
        return f"unknown {kind} '{name}': did you mean '{guess}'?"
    return f"unknown {kind} '{name}': there {'are' if len(names) != 1 else 'is'} {', '.join(names) or 'none'}"


def unknown_name_in_groups(kind: str, name: str, groups: Mapping[str, Iterable[str]]) -> str:
    """Return the message of `unknown_name`; a list of names is grouped: `there are [a] x, y; [b] z`."""
    names = {group: sorted(members) for group, members in groups.items()}
    everything = [member for members in names.values() for member in members]
    if not everything or nearest_name(name, everything):
        return unknown_name(kind, name, everything)
    listed = "; ".join(f"[{group}] {', '.join(members)}" for group, members in names.items() if members)
    return f"unknown {kind} '{name}': there are {listed}"
