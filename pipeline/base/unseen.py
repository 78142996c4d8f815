"""Characters that nobody sees: a text of nothing else is empty, for extraction, signals and deduplication alike."""

_LAST_SPACE = 0x3000  # ideographic space, the last codepoint that is white space

# Soft hyphen, zero width space, word joiner, byte order mark. Joiners (U+200C, U+200D) are not among them: they decide
# how letters look in Persian and in the scripts of India.
INVISIBLE = ("\u00ad", "\u200b", "\u2060", "\ufeff")
UNSEEN = "".join([char for char in map(chr, range(_LAST_SPACE + 1)) if char.isspace()]) + "".join(INVISIBLE)


def is_blank(text: str) -> bool:
    """Whether the text has nothing but white space and invisible characters."""
    return not text.strip(UNSEEN)
