"""Header lines of WARC and ARC records and of HTTP messages."""

import re


def parse_header(block: bytes) -> dict[str, str]:
    """Header fields as lower-case name -> first value given. The first line of `block` is skipped.

    Continued lines are joined by a space. Lines without a colon are left out.
    """
    text = decode_header(block)
    lines = text.split("\n")[1:]
    if "\n " in text or "\n\t" in text:
        lines = _join_continued_lines(lines)
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            headers.setdefault(name.strip().lower(), value.strip())
    return headers


def _join_continued_lines(lines: list[str]) -> list[str]:
    joined: list[str] = []
    for line in lines:
        if line[:1] in (" ", "\t") and joined:
            joined[-1] = f"{joined[-1].rstrip()} {line.strip()}"
        else:
            joined.append(line)
    return joined


def decode_header(raw: bytes) -> str:
    """Header bytes as text: UTF-8 if they are valid UTF-8, else ISO-8859-1."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def parse_arc_line(line: re.Match[bytes]) -> tuple[str, dict[str, str], int | None]:
    """(type, header fields named as in a WARC, content length) of the first line of an ARC record.

    The type is "" where only the content tells it.
    """
    uri, _, address = line[1].rpartition(b" ")
    headers = {
        "warc-target-uri": decode_header(uri),
        "warc-ip-address": decode_header(address),
        "warc-date": decode_header(line[2]),
        "content-type": decode_header(line[3]),
    }
    return "warcinfo" if uri.startswith(b"filedesc:") else "", headers, parse_length(decode_header(line[4]))


def parse_length(value: str | None) -> int | None:
    """The content length, None if `value` is none: no file has one of twenty digits, and Python refuses thousands."""
    return int(value) if value is not None and re.fullmatch("[0-9]{1,19}", value) else None
