"""One self-contained HTML page about a corpus: what happened, whether it is alarming, and what the texts look like.

No script and nothing from elsewhere. Text of pages is escaped, and addresses are no links: some pages of a crawl are
not for clicking. Well-formed as XML too, so that a test can read it strictly.
"""

import html
import re
from collections.abc import Iterable
from typing import Any

from pipeline.base.format import against, bound, counted, number
from pipeline.publish.report_style import STYLE

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_REASONS = {"no document": "lost", "rule": "drop", "duplicate": "copy"}

Samples = dict[
    str, Any
]  # "kept": rows, "dropped": {(stage, rule): rows}, "hits": rows; see pipeline/publish/samples.py


def report(stats: dict[str, Any], samples: Samples, name: str, language: str) -> str:
    """The page. What the corpus cost is not in it, since bytes must not depend on the machine
    (`pipeline/commands/costs.py`)."""
    sections = [
        _headline(stats, name, language),
        _section("Funnel", _funnel(stats)),
        _section("Rules", _rules(stats, samples["dropped"])),
        _section("Kept: a sample", "".join(_page(row, _about_kept(row)) for row in samples["kept"]) or _none()),
        _section("Dropped: samples by reason", "".join(_reason(k, v) for k, v in _in_order(stats, samples["dropped"]))),
        _section("Duplicates", _clusters(stats)),
        _section("Benchmarks", _benchmarks(stats, samples["hits"])) if stats["contamination"] else "",
        _section("Shape of the corpus", _shape(stats)),
        _section("Recipe", _recipe(stats["recipe"])),
    ]
    head = f'<head><meta charset="utf-8"/><title>{_e(name)}</title>{_VIEW}<style>{STYLE}</style></head>'
    return f'<!DOCTYPE html>\n<html lang="en">{head}\n<body><main>{"".join(sections)}</main></body></html>\n'


_VIEW = '<meta name="viewport" content="width=device-width, initial-scale=1"/>'


def _e(value: Any) -> str:
    """Any value as text of the page, whatever a crawl has put into it."""
    return html.escape(_CONTROL.sub("\ufffd", "" if value is None else str(value)), quote=True)


def _n(value: Any) -> str:
    return _e(number(value))


def _section(title: str, body: str) -> str:
    return f"<section><h2>{title}</h2>{body}</section>\n"


def _none() -> str:
    return '<p class="quiet">None.</p>'


def _table(heads: list[str], rows: Iterable[Iterable[str]], kinds: str) -> str:
    """`kinds`: one letter a column: t text, r reason, n number, s share, w wide text, b bar."""
    names = {"t": "", "r": "reason", "n": "num", "s": "num share", "w": "wide", "b": "bar"}
    head = "".join(f'<th class="{names[k]}">{h}</th>' for h, k in zip(heads, kinds, strict=True))
    body = "".join(
        "<tr>" + "".join(f'<td class="{names[k]}">{c}</td>' for c, k in zip(row, kinds, strict=True)) + "</tr>\n"
        for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _bar(total: float, *pieces: tuple[float, str]) -> str:
    """A horizontal bar of pieces (value, class) against `total`."""
    at, drawn = 0.0, []
    for value, kind in pieces:
        width = 100 * value / total if total else 0.0
        drawn.append(f'<rect class="{kind}" x="{at:.2f}" y="0" width="{width:.2f}" height="10"/>')
        at += width
    return f'<svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">{"".join(drawn)}</svg>'


def _headline(stats: dict[str, Any], name: str, language: str) -> str:
    kept, dropped = stats["kept"], sum(d["dropped"] for d in stats["duplicates"].values())
    share = kept["documents"] / max(1, stats["records"])
    tiles = [
        (_n(stats["records"]), "records in"),
        (_n(stats["documents"]), "documents extracted"),
        (_n(dropped), "duplicates removed"),
        (f"{_n(kept['documents'])} <small>{share:.1%}</small>", "documents kept"),
        (_n(kept["words"]), "words"),
        (_bytes(kept["text_bytes"]), f"of text in {_n(stats['files'])} file{'s' if stats['files'] != 1 else ''}"),
    ]
    shown = "".join(f"<div><b>{value}</b><span>{_e(what)}</span></div>" for value, what in tiles)
    said = f" <small>{_e(language)}</small>" if language else ""
    return f'<header><h1>{_e(name)}{said}</h1><div class="tiles">{shown}</div>{_alarms(stats["alarms"])}</header>\n'


def _bytes(n: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if n >= size:
            return f"{n / size:.3g} {unit}"
    return f"{n} B"


def _alarms(alarms: list[dict[str, str]]) -> str:
    if not alarms:
        return '<p class="fine">Nothing alarming: no giant cluster, no rule or host that dominates, no losses.</p>'
    return "".join(f'<p class="{_e(a["level"])}"><b>{_e(a["level"])}</b> {_e(a["text"])}</p>' for a in alarms)


def _funnel(stats: dict[str, Any]) -> str:
    total = stats["records"]
    rows = []
    for row in stats["funnel"]:
        if row["what"] in ("records", "kept"):
            bar = _bar(total, (row["left"], "left"))
            rows.append([f"<b>{row['what']}</b>", "", "", bar, f"<b>{_n(row['left'])}</b>"])
        else:
            bar = _bar(total, (row["left"], "left"), (row["dropped"], _REASONS[row["what"]]))
            share = f"{row['dropped'] / max(1, total):.1%}"
            reason = f"<span>{_e(row['stage'])}</span> {_e(row['rule'])}"
            rows.append([reason, _n(row["dropped"]), share, bar, _n(row["left"])])
    key = " ".join(f'<span><i class="{c}"></i> {t}</span>' for c, t in _KEY)
    return f'<p class="key">{key}</p>' + _table(["stage and reason", "dropped", "", "", "left"], rows, "rnsbn")


_KEY = (("left", "left"), ("lost", "no document"), ("drop", "dropped by a rule"), ("copy", "duplicate"))


def _rules(stats: dict[str, Any], dropped: dict[tuple[str, str], list[dict]]) -> str:
    """What each rule fails, what it alone fails (what would come back without it), and one example."""
    examples = {rule: rows[0] for (_, rule), rows in sorted(dropped.items()) if rows}
    most = max((rule["fails"] for rule in stats["rules"]), default=0)
    rows = []
    for rule in (r for r in stats["rules"] if r["fails"]):
        bar = _bar(most, (rule["alone"], "drop"), (rule["fails"] - rule["alone"], "shared"))
        name = f"<b>{_e(rule['rule'])}</b> {_e(bound(rule))}{_example(examples.get(rule['rule']))}"
        rows.append([name, bar, _n(rule["dropped"]), _n(rule["fails"]), _n(rule["alone"])])
    heads = ["rule and an example", "", "removed", "fail it", "only it"]
    note = (
        '<p class="quiet">Removed: for this reason, the first in the recipe that failed. Only it: what would come '
        "back without the rule (dark in the bar, of all that fail it).</p>"
    )
    idle = ", ".join(_e(rule["rule"]) for rule in stats["rules"] if not rule["fails"])
    idle = f'<p class="quiet">Every document passes: {idle}.</p>' if idle else ""
    return (note + _table(heads, rows, "wbnnn") if rows else "") + idle or _none()


def _example(row: dict | None) -> str:
    return f"<small>{_against(row)}: {_e(row['url'])} {_e(row['id'])}</small>" if row else ""


def _against(row: dict[str, Any]) -> str:
    return _e(against(row))


def _in_order(stats: dict[str, Any], dropped: dict[tuple[str, str], list[dict]]) -> list[tuple[dict, list[dict]]]:
    return [
        (row, dropped[row["stage"], row["rule"]]) for row in stats["funnel"] if (row["stage"], row["rule"]) in dropped
    ]


def _reason(reason: dict[str, Any], rows: list[dict]) -> str:
    head = f"{_e(reason['stage'])} / {_e(reason['rule'])} <small>{_n(reason['dropped'])}</small>"
    pages = "".join(_page(row, _against(row) + _instead(row)) for row in rows)
    return f"<details><summary>{head}</summary>{pages}</details>"


def _instead(row: dict[str, Any]) -> str:
    return f", duplicate of {_e(row['duplicate_of'])}" if row["duplicate_of"] else ""


def _page(row: dict[str, Any], about: str) -> str:
    title = f'<b dir="auto">{_e(row.get("title"))}</b>' if row.get("title") else ""
    lines = re.sub(r"\s*\n\s*", " ↵ ", row.get("excerpt") or "")  # menus of one word a line would fill screens
    text = f'<p dir="auto">{_e(lines)}</p>' if row.get("excerpt") else '<p class="quiet">no text</p>'
    return f"<article>{title}<small>{_e(row['url'])}</small><small>{about}</small>{text}</article>"


def _about_kept(row: dict[str, Any]) -> str:
    quality = f", quality {_n(row['quality'])}" if row["quality"] is not None else ""
    copies = f", stands for {_n(row['duplicates'])}" if row["duplicates"] > 1 else ""
    return f"{_e(row['language'])}, {_n(row['char_count'])} characters{quality}{copies}"


def _clusters(stats: dict[str, Any]) -> str:
    shown = []
    for name, said in stats["duplicates"].items():
        if name == "index":
            gone = f"{_n(said['dropped'])} dropped for documents of earlier corpora"
            shown.append(f"<h3>{_e(name)}: {gone}, {_n(said['withdrawn'])} of these withdrawn</h3>")
            continue
        clusters = counted(said["clusters"], "cluster")
        shown.append(f"<h3>{_e(name)}: {_n(said['dropped'])} dropped, {clusters}</h3>")
        rows = [
            [_n(c["size"]), _e(c["url"]), "".join(f"<small>{_e(m)}</small>" for m in c["members"])]
            for c in said["largest"]
        ]
        shown.append(_table(["size", "kept", "some that it stands for"], rows, "nww") if rows else _none())
    for name, said in stats["cuts"].items():
        lost = f"{_n(said['characters'])} characters cut out of {counted(said['documents'], 'document')}"
        shown.append(f"<h3>{_e(name)}: {lost}, {_n(said['dropped'])} dropped</h3>")
    return "".join(shown)


def _benchmarks(stats: dict[str, Any], hits: list[dict]) -> str:
    heads = ["benchmark", "documents", "items", "highest", "still kept"]
    keys = ("benchmark", "documents", "items", "highest", "kept")
    counts = _table(heads, [[_n(row[k]) for k in keys] for row in stats["contamination"]], "tnnnn")
    shown = [
        [_n(h["contamination"]), _e(h["kind"]), f"{_e(h['benchmark'])} {_e(h['item'])}<small>{_e(h['url'])}</small>"]
        for h in hits
    ]
    return counts + "<h3>Highest scores</h3>" + _table(["score", "part", "item and page"], shown, "ntw")


def _shape(stats: dict[str, Any]) -> str:
    lengths = [(f"{_n(b['from'])}–{_n(b['below'] - 1)}", b["documents"]) for b in stats["lengths"]]
    quality = stats["quality"]
    deciles = [(f"{10 * (i + 1)} %", q) for i, q in enumerate(quality["deciles"])] if quality else []
    languages = [(name, n["dropped"]) for name, n in stats["languages"].items() if n["dropped"]]
    blocks = [
        ("Length in characters", lengths),
        ("Quality: deciles of the kept", deciles),
        ("Language of dropped documents", languages[:15]),
        ("Hosts with most kept documents", [(h["host"], h["documents"]) for h in stats["hosts"]["top"][:15]]),
        ("Kept by dump", [(name or "unknown", n["kept"]) for name, n in stats["dumps"].items()]),
        ("Personal data masked", list(stats["pii"].items())),
    ]
    return f'<div class="grid">{"".join(_bars(title, rows) for title, rows in blocks if rows)}</div>'


def _bars(title: str, rows: list[tuple[str, float]]) -> str:
    most = max(value for _, value in rows)
    body = [[_e(name), _bar(most, (value, "left")), _n(value)] for name, value in rows]
    return f"<div><h3>{_e(title)}</h3>{_table(['', '', ''], body, 'tbn')}</div>"


def _recipe(recipe: dict[str, Any]) -> str:
    steps = [[_e(name), f"<code>{_e(key)}</code>"] for name, key in recipe.get("steps", {}).items()]
    others = [
        [_e(k), _e(v)] for k, v in recipe.items() if k not in ("steps", "rules") and not isinstance(v, dict | list)
    ]
    return _table(["", ""], [*others, *steps], "tw") if steps or others else _none()
