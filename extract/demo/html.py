"""The demo crawl's pages as HTML: texts in a small Markdown, one HTML template a theme, boilerplate by language.

All content comes from `configs/demo`; this module only combines it.
"""

import html
import random
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pipeline.base.paths import CONFIGS

FOLDER = CONFIGS / "demo"

# Kind of the texts of a file, by the beginning of its name; the header of a text may name another one.
KIND_OF_FILE = {"articles": "good_article", "recipes": "recipe", "forum": "forum", "pages": "page"}
# Keys of the header of a text, and whether one may occur more than once.
HEADER_KEYS = {
    **dict.fromkeys(("host", "path", "author", "tags", "kind", "language", "html-lang"), False),
    **dict.fromkeys(("send", "encoding", "robots", "x-robots", "tdm", "license", "cut", "comments", "theme"), False),
    **dict.fromkeys(("refetch", "revisit", "update"), False),
    **dict.fromkeys(("mirror", "syndicated", "near", "redirect"), True),
}


@dataclass(frozen=True)
class Document:
    """One text of `configs/demo`: its title, its body in Markdown, and its header."""

    title: str
    body: str
    language: str
    kind: str
    header: Mapping[str, str] = field(default_factory=dict)
    copies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    near_duplicate_of: str | None = None

    @property
    def url(self) -> str:
        """Address of the page."""
        return f"https://{self.header['host']}{self.header['path']}"


def read_documents() -> Iterator[Document]:
    """Read all texts, in the order of file names and then of the file."""
    for file in sorted(FOLDER.glob("??/*.md")):
        for text in file.read_text("utf-8").split("\n=====\n"):
            yield _parse_document(text, file.parent.name, KIND_OF_FILE[file.stem.split("-")[0]])


def _parse_document(text: str, language: str, kind: str) -> Document:
    head, _, body = text.strip().partition("\n\n")
    title, *lines = head.splitlines()
    header: dict[str, str] = {}
    copies: dict[str, list[str]] = {}
    for line in lines:
        key, _, value = line.partition(": ")
        if HEADER_KEYS[key]:
            copies.setdefault(key, []).append(value)
        else:
            header[key] = value
    many = {key: tuple(values) for key, values in copies.items()}
    return Document(
        title.removeprefix("# "), body, header.get("language", language), header.get("kind", kind), header, many
    )


@cache
def read_toml(name: str) -> dict[str, Any]:
    """Read a TOML file of `configs/demo`."""
    return tomllib.loads((FOLDER / name).read_text("utf-8"))


def apply_edits(text: str, edits: list[str]) -> str:
    """Apply edits of the form `old => new`. Raises ValueError if an old text does not occur."""
    for change in edits:
        old, _, new = change.strip().partition(" => ")
        if old not in text:
            raise ValueError(f"demo text has no {old!r} to edit")
        text = text.replace(old, new)
    return text


# --- Markdown -------------------------------------------------------------------------------------------------------
_INLINE = (
    (re.compile(r"`([^`]+)`"), r"<code>\1</code>"),
    (re.compile(r"\*\*([^*]+)\*\*"), r"<strong>\1</strong>"),
    (re.compile(r"(?<![\w*])\*([^*\n]+)\*(?![\w*])"), r"<em>\1</em>"),
    (re.compile(r"\[([^\]]+)\]\(([^)]+)\)"), r'<a href="\2">\1</a>'),
)


def markdown_to_html(text: str) -> str:
    """Convert the Markdown that the texts use: headings, lists, quotes, tables, fenced code, `$$` TeX, raw HTML."""
    blocks = []
    for i, part in enumerate(re.split(r"^(```.*?^```)$", text, flags=re.M | re.S)):
        if i % 2:
            code = part.split("\n", 1)[1].rsplit("\n", 1)[0]
            blocks.append(f"<pre><code>{html.escape(code, quote=False)}</code></pre>")
        else:
            blocks += [_block_to_html(block) for block in re.split(r"\n\s*\n", part) if block.strip()]
    return "\n".join(blocks)


def _block_to_html(block: str) -> str:
    block = block.strip("\n")
    first = block.lstrip()
    if first.startswith("<"):
        return block
    if first.startswith("$$"):
        return f'<div class="math">\\[{html.escape(block.strip().strip("$").strip(), quote=False)}\\]</div>'
    if heading := re.match(r"(#{2,4}) (.+)", block):
        level = len(heading[1])
        return f"<h{level}>{_inline_to_html(heading[2])}</h{level}>"
    if first.startswith("|"):
        return _table_to_html(block)
    if first.startswith("> "):
        return f"<blockquote><p>{_inline_to_html(re.sub(r'^> ?', '', block, flags=re.M))}</p></blockquote>"
    for mark, tag in ((r"- ", "ul"), (r"\d+\. ", "ol")):
        if re.match(mark, first):
            items = re.split(rf"^{mark}", block, flags=re.M)[1:]
            return (
                f"<{tag}>\n" + "\n".join(f"<li>{_inline_to_html(item.strip())}</li>" for item in items) + f"\n</{tag}>"
            )
    return f"<p>{_inline_to_html(block)}</p>"


def _inline_to_html(text: str) -> str:
    text = html.escape(text, quote=False)
    for pattern, replacement in _INLINE:
        text = pattern.sub(replacement, text)
    return text


def _table_to_html(block: str) -> str:
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in block.splitlines()]
    rows = [row for row in rows if not all(set(cell) <= set("-:") for cell in row)]
    parts = []
    for number, row in enumerate(rows):
        tag = "td" if number else "th"
        parts.append("<tr>" + "".join(f"<{tag}>{_inline_to_html(cell)}</{tag}>" for cell in row) + "</tr>")
    return "<table>\n" + "\n".join(parts) + "\n</table>"


def _thread_to_html(text: str) -> str:
    """HTML of a thread, whose posts start with a line `@@ author | date`."""
    parts = []
    for number, post in enumerate(re.split(r"^@@ ", text, flags=re.M)[1:], 1):
        head, _, body = post.partition("\n")
        who, _, when = (part.strip() for part in head.partition("|"))
        parts.append(
            f'<div class="post" id="p{number}"><div class="postprofile"><b>{who}</b><br>#{number} &middot; {when}</div>'
            f'<div class="content">{markdown_to_html(body)}</div></div>'
        )
    return "\n".join(parts)


# --- pages ----------------------------------------------------------------------------------------------------------
@cache
def _read_theme(name: str) -> tuple[str, str]:
    """(pattern of one link, which is the first line of the file; template of the page)."""
    item, _, page = (FOLDER / "themes" / f"{name}.html").read_text("utf-8").partition("\n")
    return item, page


def site_settings(host: str) -> dict[str, Any]:
    """The entry of a host in `sites.toml`."""
    return read_toml("sites.toml")[host]


def render_page(
    document: Document, host: str, meta_charset: str | None, related: list[tuple[str, str]], seed: int
) -> str:
    """HTML of the page of `document` on `host`. `related` are (href, title) of other pages of the host."""
    site = site_settings(host)
    words = read_toml("ui.toml")[site.get("language", document.language)]
    item, template = _read_theme(document.header.get("theme", site["theme"]))
    rng = random.Random(f"{seed}:{host}:{document.header['path']}")
    fields = {
        "lang": document.header.get("html-lang", document.language),
        "head": _meta_tags(document, meta_charset),
        "title": html.escape(document.title),
        "body": _thread_to_html(document.body) if document.body.startswith("@@ ") else markdown_to_html(document.body),
        "author": document.header.get("author", ""),
        "date": f"{rng.randint(1, 28)}.{rng.randint(1, 8)}.2026",
        "crumb": html.escape(document.header.get("tags", site["nav"][0]).split(", ")[0]),
        "tags": document.header.get("tags", ""),
        "id": str(rng.randrange(1000, 99999)),
        "site": site["name"],
        "tagline": site["tagline"],
        "host": host,
        "nav": _format_links(item, [("/" + entry.lower().replace(" ", "-"), entry) for entry in site["nav"]]),
        "footer": _format_links(item, [("/" + entry.lower(), entry) for entry in words["footer"]]),
        "related": _format_links(item, rng.sample(related, min(5, len(related)))),
        "teasers": _format_links(
            item, [(f"/t/{rng.randrange(9999)}", text) for text in rng.sample(words["teasers"], 5)]
        ),
        "comments": _comment_section(document, site, words, rng),
        "license": _license_link(document, words),
        **{key: value for key, value in words.items() if isinstance(value, str)},
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: fields[match[1]], template)


def _meta_tags(document: Document, charset: str | None) -> str:
    lines = []
    if charset:
        lines.append(f'<meta charset="{charset}">')
    if robots := document.header.get("robots"):
        lines.append(f'<meta name="robots" content="{robots}">')
    if tdm := document.header.get("tdm"):
        lines.append(f'<meta name="tdm-reservation" content="{tdm}">')
    lines.append(f'<meta name="description" content="{html.escape(document.title)}">')
    return "\n".join(lines)


def _license_link(document: Document, words: Mapping[str, Any]) -> str:
    link = document.header.get("license")
    return f'<p class="license"><a rel="license" href="{link}">{words["licensed"]}</a></p>' if link else ""


def _comment_section(document: Document, site: Mapping[str, Any], words: Mapping[str, Any], rng: random.Random) -> str:
    if not site.get("comments") or document.header.get("comments") == "no":
        return ""
    chosen = rng.sample(words["comments_pool"], rng.randint(0, 4))
    names = rng.sample(words["names"], len(chosen))
    posts = [
        f'<li class="comment"><cite>{name}</cite> <a href="#reply">{words["reply"]}</a><p>{html.escape(text)}</p></li>'
        for name, text in zip(names, chosen, strict=True)
    ]
    return f'<section id="comments"><h3>{words["comments"]} ({len(posts)})</h3><ol>{"".join(posts)}</ol></section>'


def _format_links(item: str, links: list[tuple[str, str]]) -> str:
    return "\n".join(item.format(href=href, text=html.escape(text)) for href, text in links)
