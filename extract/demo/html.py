"""The demo crawl's pages as HTML: texts in a small Markdown, one HTML template a theme, boilerplate by language.

Everything a page says comes from `configs/demo`; this module only knows how the pieces fit together.
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

# What the texts of a file are, by how its name begins, unless their header says otherwise.
STEMS = {"articles": "good_article", "recipes": "recipe", "forum": "forum", "pages": "page"}
# What the header of a text may say, and whether it may be said more than once.
KEYS = {
    **dict.fromkeys(("host", "path", "author", "tags", "kind", "language", "html-lang"), False),
    **dict.fromkeys(("send", "encoding", "robots", "x-robots", "tdm", "license", "cut", "comments", "theme"), False),
    **dict.fromkeys(("refetch", "revisit", "update"), False),
    **dict.fromkeys(("mirror", "syndicated", "near", "redirect"), True),
}


@dataclass(frozen=True)
class Document:
    """One text of `configs/demo`: its title, its body in Markdown, and what the header says of it."""

    title: str
    body: str
    language: str
    kind: str
    says: Mapping[str, str] = field(default_factory=dict)
    copies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    near_duplicate_of: str | None = None

    @property
    def url(self) -> str:
        """Where the page lives."""
        return f"https://{self.says['host']}{self.says['path']}"


def documents() -> Iterator[Document]:
    """All texts, by file name and then in the order of the file."""
    for file in sorted(FOLDER.glob("??/*.md")):
        for text in file.read_text("utf-8").split("\n=====\n"):
            yield _document(text, file.parent.name, STEMS[file.stem.split("-")[0]])


def _document(text: str, language: str, kind: str) -> Document:
    head, _, body = text.strip().partition("\n\n")
    title, *lines = head.splitlines()
    says: dict[str, str] = {}
    copies: dict[str, list[str]] = {}
    for line in lines:
        key, _, value = line.partition(": ")
        if KEYS[key]:
            copies.setdefault(key, []).append(value)
        else:
            says[key] = value
    many = {key: tuple(values) for key, values in copies.items()}
    return Document(title.removeprefix("# "), body, says.get("language", language), says.get("kind", kind), says, many)


@cache
def read(name: str) -> dict[str, Any]:
    """One TOML file of `configs/demo`."""
    return tomllib.loads((FOLDER / name).read_text("utf-8"))


def edit(text: str, edits: list[str]) -> str:
    """Apply edits of the form `old => new`. Raises ValueError when an old text is not there."""
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


def markdown(text: str) -> str:
    """HTML of what the texts use of Markdown: headings, lists, quotes, tables, fenced code, `$$` TeX, raw HTML."""
    parts = re.split(r"^(```.*?^```)$", text, flags=re.M | re.S)
    out = []
    for i, part in enumerate(parts):
        if i % 2:
            code = part.split("\n", 1)[1].rsplit("\n", 1)[0]
            out.append(f"<pre><code>{html.escape(code, quote=False)}</code></pre>")
        else:
            out += [_block(block) for block in re.split(r"\n\s*\n", part) if block.strip()]
    return "\n".join(out)


def _block(block: str) -> str:
    block = block.strip("\n")
    first = block.lstrip()
    if first.startswith("<"):
        return block
    if first.startswith("$$"):
        return f'<div class="math">\\[{html.escape(block.strip().strip("$").strip(), quote=False)}\\]</div>'
    if heading := re.match(r"(#{2,4}) (.+)", block):
        level = len(heading[1])
        return f"<h{level}>{_inline(heading[2])}</h{level}>"
    if first.startswith("|"):
        return _table(block)
    if first.startswith("> "):
        return f"<blockquote><p>{_inline(re.sub(r'^> ?', '', block, flags=re.M))}</p></blockquote>"
    for mark, tag in ((r"- ", "ul"), (r"\d+\. ", "ol")):
        if re.match(mark, first):
            items = re.split(rf"^{mark}", block, flags=re.M)[1:]
            return f"<{tag}>\n" + "\n".join(f"<li>{_inline(item.strip())}</li>" for item in items) + f"\n</{tag}>"
    return f"<p>{_inline(block)}</p>"


def _inline(text: str) -> str:
    text = html.escape(text, quote=False)
    for pattern, replacement in _INLINE:
        text = pattern.sub(replacement, text)
    return text


def _table(block: str) -> str:
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in block.splitlines()]
    rows = [row for row in rows if not all(set(cell) <= set("-:") for cell in row)]
    out = []
    for number, row in enumerate(rows):
        tag = "td" if number else "th"
        out.append("<tr>" + "".join(f"<{tag}>{_inline(cell)}</{tag}>" for cell in row) + "</tr>")
    return "<table>\n" + "\n".join(out) + "\n</table>"


def _posts(text: str) -> str:
    """A thread: posts start with a line `@@ who | when`."""
    out = []
    for number, post in enumerate(re.split(r"^@@ ", text, flags=re.M)[1:], 1):
        head, _, body = post.partition("\n")
        who, _, when = (part.strip() for part in head.partition("|"))
        out.append(
            f'<div class="post" id="p{number}"><div class="postprofile"><b>{who}</b><br>#{number} &middot; {when}</div>'
            f'<div class="content">{markdown(body)}</div></div>'
        )
    return "\n".join(out)


# --- pages ----------------------------------------------------------------------------------------------------------
@cache
def _theme(name: str) -> tuple[str, str]:
    """A theme: the pattern of one link (its first line) and the page."""
    item, _, page = (FOLDER / "themes" / f"{name}.html").read_text("utf-8").partition("\n")
    return item, page


def site(host: str) -> dict[str, Any]:
    """What `sites.toml` says of a host."""
    return read("sites.toml")[host]


def render(document: Document, host: str, meta_charset: str | None, related: list[tuple[str, str]], seed: int) -> str:
    """The page of `document` as `host` shows it. `related` are (href, title) of other pages of the host."""
    here = site(host)
    words = read("ui.toml")[here.get("language", document.language)]
    item, template = _theme(document.says.get("theme", here["theme"]))
    rng = random.Random(f"{seed}:{host}:{document.says['path']}")
    fields = {
        "lang": document.says.get("html-lang", document.language),
        "head": _head(document, meta_charset),
        "title": html.escape(document.title),
        "body": _posts(document.body) if document.body.startswith("@@ ") else markdown(document.body),
        "author": document.says.get("author", ""),
        "date": f"{rng.randint(1, 28)}.{rng.randint(1, 8)}.2026",
        "crumb": html.escape(document.says.get("tags", here["nav"][0]).split(", ")[0]),
        "tags": document.says.get("tags", ""),
        "id": str(rng.randrange(1000, 99999)),
        "site": here["name"],
        "tagline": here["tagline"],
        "host": host,
        "nav": _links(item, [("/" + entry.lower().replace(" ", "-"), entry) for entry in here["nav"]]),
        "footer": _links(item, [("/" + entry.lower(), entry) for entry in words["footer"]]),
        "related": _links(item, rng.sample(related, min(5, len(related)))),
        "teasers": _links(item, [(f"/t/{rng.randrange(9999)}", text) for text in rng.sample(words["teasers"], 5)]),
        "comments": _comments(document, here, words, rng),
        "license": _license(document, words),
        **{key: value for key, value in words.items() if isinstance(value, str)},
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: fields[match[1]], template)


def _head(document: Document, charset: str | None) -> str:
    lines = []
    if charset:
        lines.append(f'<meta charset="{charset}">')
    if robots := document.says.get("robots"):
        lines.append(f'<meta name="robots" content="{robots}">')
    if tdm := document.says.get("tdm"):
        lines.append(f'<meta name="tdm-reservation" content="{tdm}">')
    lines.append(f'<meta name="description" content="{html.escape(document.title)}">')
    return "\n".join(lines)


def _license(document: Document, words: Mapping[str, Any]) -> str:
    link = document.says.get("license")
    return f'<p class="license"><a rel="license" href="{link}">{words["licensed"]}</a></p>' if link else ""


def _comments(document: Document, here: Mapping[str, Any], words: Mapping[str, Any], rng: random.Random) -> str:
    if not here.get("comments") or document.says.get("comments") == "no":
        return ""
    chosen = rng.sample(words["comments_pool"], rng.randint(0, 4))
    names = rng.sample(words["names"], len(chosen))
    posts = [
        f'<li class="comment"><cite>{name}</cite> <a href="#reply">{words["reply"]}</a><p>{html.escape(text)}</p></li>'
        for name, text in zip(names, chosen, strict=True)
    ]
    return f'<section id="comments"><h3>{words["comments"]} ({len(posts)})</h3><ol>{"".join(posts)}</ol></section>'


def _links(item: str, links: list[tuple[str, str]]) -> str:
    return "\n".join(item.format(href=href, text=html.escape(text)) for href, text in links)
