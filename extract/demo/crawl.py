"""A demo crawl, written by us: what `make corpus` runs on if no source is named.

A few hundred invented pages on invented hosts (`*.example`, RFC 2606) become a handful of WARC files. The texts, the
templates and the families of machine-made pages are data in `configs/demo`; `demo_captures` makes pages of them,
`build_warc_files` writes these to files, and `crawl` is the stage. The same seed gives the same bytes on every Python:
nothing is compressed (`codings`). Another seed gives other numbers, names and comments in the machine-made parts, and
another order.
"""

import base64
import hashlib
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import pyarrow as pa

from extract.demo import html as texts
from extract.demo.html import Document
from extract.demo.http import SENDINGS, Page, WarcWriter, capture_dates, encode_text
from extract.demo.kinds import KINDS
from pipeline.base.errors import UserError
from pipeline.runner.stage import stage
from pipeline.store.writer import Output

# One row per file, each in a partition of its own, as the stage `pages` takes them; a relative `path` is a raw file of
# the step.
FILES = pa.schema(
    [("path", pa.string()), ("name", pa.string()), ("start", pa.int64()), ("end", pa.int64()), ("records", pa.int64())]
)


def content_digest() -> str:
    """SHA-256 of every text and template of the demo; as a setting of `crawl`, it makes them part of the key."""
    digest = hashlib.sha256()
    for file in sorted(texts.FOLDER.rglob("*")):
        if file.is_file():
            digest.update(f"{file.relative_to(texts.FOLDER).as_posix()}\0{file.stat().st_size}\0".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()


@stage(version=2, libraries=("warcio",), outputs={"part": FILES})
def crawl(*, seed: int = 1, texts_sha256: str = "") -> Iterator[pa.Table | Output]:
    """Write the demo crawl as raw files, and yield one row per file with its name and number of records.

    Args:
        seed: Number that varies the machine-made parts of the crawl.
        texts_sha256: Expected `content_digest` of the texts; empty to accept any. Other texts raise UserError.
    """
    if texts_sha256 not in ("", content_digest()):
        raise UserError("configs/demo changed while the run was being planned; run it again")
    files = files_with_counts(seed)
    for name, (data, _) in files.items():
        yield Output.file(name, data)
    for i, (name, (_, records)) in enumerate(files.items()):
        row = {"path": name, "name": name, "start": 0, "end": None, "records": records}
        yield Output(pa.Table.from_pylist([row], FILES), bucket=i)


def build_warc_files(seed: int = 1) -> dict[str, bytes]:
    """Contents of the WARC files by name. The last file is truncated within its last gzip member."""
    return {name: data for name, (data, _) in files_with_counts(seed).items()}


def file_names() -> tuple[str, ...]:
    """Names of the files that the stage writes, two per crawl."""
    return tuple(f"demo-{number:05}.warc.gz" for number in range(4))


def files_with_counts(seed: int) -> dict[str, tuple[bytes, int]]:
    """(content, number of records) of the WARC files by name."""
    captures = demo_captures(seed)
    dates = _schedule_captures(captures)
    files = {}
    for number, name in enumerate(file_names()):
        records = WarcWriter(name, number // 2)
        for page in _captures_of_file([page for page in captures if page.dump == number // 2], number % 2):
            records.write_capture(page, dates[page.url, page.dump], dates.get((page.url, 0)))
        files[name] = records.close(cut=number == 3), len(records.members)
    return files


def _captures_of_file(captures: list[Page], half: int) -> list[Page]:
    """Every other page, for one of the two files of a crawl; the truncated page (the last one) goes to the second."""
    return [page for place, page in enumerate(captures) if (1 if page.cut == "member" else place % 2) == half]


def _schedule_captures(captures: list[Page]) -> dict[tuple[str, int], datetime]:
    dates: dict[tuple[str, int], datetime] = {}
    for dump in (0, 1):
        own = [page for page in captures if page.dump == dump]
        dates |= {(page.url, dump): date for page, date in zip(own, capture_dates(dump, len(own)), strict=True)}
    return dates


def demo_captures(seed: int = 1) -> list[Page]:
    """Every capture in the order of the crawl. The truncated one comes last."""
    documents = [*texts.read_documents(), *_templated_pages(seed)]
    titles: dict[str, list[tuple[str, str]]] = {}
    for document in documents:
        titles.setdefault(document.header["host"], []).append((document.header["path"], document.title))
    captures = [page for document in documents for page in _captures_of_text(document, titles, seed)]
    captures += _home_pages(titles, seed)
    captures += [_special_response(entry, seed) for entry in texts.read_toml("specials.toml")["special"]]
    _check_captures(captures)
    captures.sort(key=lambda page: (page.cut == "member", random.Random(f"{seed}:{page.dump}:{page.url}").random()))
    return captures


def _check_captures(captures: list[Page]) -> None:
    seen: set[tuple[str, int]] = set()
    for page in captures:
        if (page.url, page.dump) in seen:
            raise ValueError(f"demo page {page.url} is twice in one crawl")
        if page.kind not in KINDS:
            raise ValueError(f"demo page {page.url} is of an unknown kind {page.kind!r}")
        seen.add((page.url, page.dump))


# --- pages from texts -----------------------------------------------------------------------------------------------
def _captures_of_text(document: Document, titles: dict[str, list[tuple[str, str]]], seed: int) -> Iterator[Page]:
    """The page of a text, its copies on other hosts, redirects to it, and later visits."""
    header = document.header
    original = _render_page(document, header["host"], titles, seed)
    yield original
    for host in document.copies.get("mirror", ()):
        yield replace(original, url=f"https://{host}{header['path']}", kind="mirror", mirror_of=original.url)
    for host in document.copies.get("syndicated", ()):
        yield replace(_render_page(document, host, titles, seed), kind="syndicated", mirror_of=original.url)
    for copy in document.copies.get("near", ()):
        host, *edits = copy.split(" | ")
        edited = replace(document, body=texts.apply_edits(document.body, edits))
        page = _render_page(edited, host.strip(), titles, seed)
        yield replace(page, kind="near_duplicate", near_duplicate_of=original.url)
    for path in document.copies.get("redirect", ()):
        headers = (("Location", original.url),)
        url = f"https://{header['host']}{path}"
        yield Page(url, "redirect", None, b"", media="", status="301 Moved Permanently", headers=headers)
    if "refetch" in header:
        yield replace(original, kind="refetch", dump=1, mirror_of=original.url)
    if "revisit" in header:
        yield replace(original, kind="revisit", dump=1, mirror_of=original.url, revisit=True)
    if update := header.get("update"):
        edited = replace(document, body=texts.apply_edits(document.body, update.split(" | ")))
        page = _render_page(edited, header["host"], titles, seed)
        yield replace(page, kind="near_duplicate", dump=1, near_duplicate_of=original.url)


def _render_page(document: Document, host: str, titles: dict[str, list[tuple[str, str]]], seed: int) -> Page:
    header = document.header
    sending = header.get("send", "utf8")
    related = [link for link in titles.get(host, []) if link[0] != header["path"]]
    page = texts.render_page(document, host, SENDINGS[sending].meta, related, seed)
    headers = tuple((("X-Robots-Tag", header["x-robots"]),) if "x-robots" in header else ())
    url = f"https://{host}{header['path']}"
    dump = int(random.Random(f"dump {url}").random() < 0.4 or header.get("cut") == "member")
    if {"refetch", "revisit", "update"} & header.keys():
        dump = 0
    return Page(url, document.kind, document.language, encode_text(page, sending), document.body, sending,
                headers=headers, encoding=header.get("encoding", ""), cut=header.get("cut", ""), dump=dump,
                near_duplicate_of=document.near_duplicate_of)  # fmt: skip


def _home_pages(titles: dict[str, list[tuple[str, str]]], seed: int) -> Iterator[Page]:
    """A front page for every host with several pages: little more than headlines."""
    for host, links in sorted(titles.items()):
        if len(links) > 2 and texts.site_settings(host)["theme"] != "bare":
            body = "\n".join(f"- [{title}]({path})" for path, title in links[:24])
            header = {"host": host, "path": "/"}
            language = texts.site_settings(host).get("language", "de")
            yield _render_page(
                Document(texts.site_settings(host)["name"], body, language, "home", header), host, titles, seed
            )


# --- pages made by machines -----------------------------------------------------------------------------------------
_SLOT = re.compile(r"\{(?:(\d+)-(\d+)|@(\w+)|(\w+))\}")


def _templated_pages(seed: int) -> Iterator[Document]:
    """Templated pages of `families.toml`: the same texts with other names and numbers."""
    data = texts.read_toml("families.toml")
    first = None
    for family in data["family"]:
        for number in range(family["count"]):
            rng = random.Random(f"{seed}:{family['path']}:{number}")
            rows = data["rows"][family["rows"]]
            row = dict(zip(rows["columns"], rows["data"][number % len(rows["data"])], strict=True))
            row |= {"number": str(number + family.get("first", 0)), "slug": _slugify(row["place"])}

            def fill(text: str, rng: random.Random = rng, row: dict[str, str] = row) -> str:
                return _SLOT.sub(lambda slot: _fill_slot(slot, row, data["lists"], rng), text)

            body = fill(family["text"])
            if line := family.get("line"):
                body += "\n" + family.get("glue", "\n").join(fill(line) for _ in range(family["repeat"]))
            header = {key: fill(family[key]) for key in texts.HEADER_KEYS if key in family}
            document = Document(fill(family["title"]), body, family.get("language", "de"), family["kind"], header)
            near = family["kind"] == "near_duplicate"
            first = document.url if near and not number else first
            yield replace(document, near_duplicate_of=first if near and number else None)


def _fill_slot(slot: re.Match[str], row: dict[str, str], lists: dict[str, list[str]], rng: random.Random) -> str:
    low, high, chosen, column = slot.groups()
    if column:
        return row[column]
    return rng.choice(lists[chosen]) if chosen else str(rng.randint(int(low), int(high)))


def _slugify(name: str) -> str:
    for old, new in (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("ß", "ss"), (" ", "-")):
        name = name.lower().replace(old, new)
    return name


def _special_response(entry: dict[str, Any], seed: int) -> Page:
    """A response that is no page: another media type, an error, an empty body."""
    fields: dict[str, Any] = {
        key: entry[key] for key in ("media", "status", "encoding", "dump", "send") if key in entry
    }
    fields["headers"] = tuple(map(tuple, entry.get("headers", ())))
    body = entry.get("text", "").encode()
    if "base64" in entry:
        body = base64.b64decode(entry["base64"])
    elif "page" in entry:
        host, _, path = entry["url"].split("://")[1].partition("/")
        document = Document(entry["title"], entry["page"], "de", entry["kind"], {"host": host, "path": "/" + path})
        body = encode_text(texts.render_page(document, host, "utf-8", [], seed), "utf8")
    return Page(entry["url"], entry["kind"], entry.get("language"), body, **fields)
