"""JSON-LD of a page (schema.org), and the names of people in it and elsewhere."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from html import unescape
from typing import Any

from extract.html.byte_search import find_all

JsonLd = list[dict[str, Any]]
MAX_NAME = 200  # characters of a name
_MAX_JSON_LD = 400_000  # bytes of JSON-LD that are read
_MAX_PERSON = 100  # characters of an author's name
_ARTICLE_TYPES = ("Article", "NewsArticle", "BlogPosting", "Report", "DiscussionForumPosting", "Recipe", "WebPage")
_BY_PREFIX = re.compile(
    r"\A(?:\s*(?:by|von|de|par|por|di|door|av|af|at|autor(?:in)?|author|text|erstellt|publié par"
    r"|(?:geschrieben|verfasst|eingestellt) von|(?:written|posted|published|authored) by)\b\s*:?)+\s*",
    re.I,
)
_NOT_A_NAME = re.compile(
    r"[/@]|\b\d{4}\b|\A[\W\d_]*\Z|\bam\Z|\Are:"
    r"|\A(?:name|posted|updated by|website|admin|redaktion|op)\b(?! \w{3})",
    re.I,
)


def read_json_ld(html: bytes) -> Iterator[dict[str, Any]]:
    """Objects of the page's JSON-LD, those in lists and `@graph` included."""
    end = bytes_read = 0
    for offset in find_all(html, b"ld+json"):
        if offset < end:
            continue
        start = html.find(b">", offset) + 1
        end = html.find(b"</script", start)
        if not start or end < 0 or bytes_read >= _MAX_JSON_LD:
            return
        bytes_read += end - start
        with suppress(ValueError, RecursionError):  # JSON-LD that cannot be read says nothing
            text = html[start:end].decode("utf-8", "replace").strip().removeprefix("<!--").removesuffix("-->")
            yield from _json_ld_objects(json.loads(text, strict=False))


def _json_ld_objects(value: Any) -> Iterator[dict[str, Any]]:
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, dict):
            yield item
            yield from _json_ld_objects(item.get("@graph", []))


def json_ld_rank(item: dict[str, Any]) -> int:
    """Sort key: articles first, pages next, then the rest."""
    types = item.get("@type")
    types = types if isinstance(types, list) else [types]
    return min((_ARTICLE_TYPES.index(kind) for kind in types if kind in _ARTICLE_TYPES), default=len(_ARTICLE_TYPES))


def join_people(values: list[Any], json_ld: JsonLd) -> str | None:
    names = dict.fromkeys(name for value in values if (name := person_name(value, json_ld)))
    return "; ".join(names)[:MAX_NAME] or None


def person_name(value: Any, json_ld: JsonLd) -> str:
    """The name of a person; "" for organisations, addresses and other things that are no name."""
    if isinstance(value, dict) and "name" not in value and "@id" in value:
        value = next((item for item in json_ld if item.get("@id") == value["@id"] and "name" in item), value)
    if isinstance(value, dict) and value.get("@type") == "Organization":
        return ""
    text = _BY_PREFIX.sub("", plain_name(value) or "").strip(" ,|-–:")
    return text if 2 <= len(text) <= _MAX_PERSON and not _NOT_A_NAME.search(text) else ""


def plain_name(value: Any) -> str | None:
    """The name in a JSON-LD value: text, an object with a name, or a list of these (the first counts)."""
    value = value[0] if isinstance(value, list) and value else value
    value = value.get("name") if isinstance(value, dict) else value
    value = value[0] if isinstance(value, list) and value else value
    if not isinstance(value, str):
        return None
    text = " ".join(unescape(value).split())[:MAX_NAME]
    return text.encode("utf-8", "replace").decode()  # JSON may contain surrogates
