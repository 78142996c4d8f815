"""`explain`: the story of one page, from the record it was read from to the verdict, each value against its bound."""

import difflib
import re
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.base.errors import UserError
from pipeline.base.format import against, bound, counted, number, plain
from pipeline.store.shard import Shard

SIDECARS = ("pages", "languages", "urls", "signals", "quality", "contamination")  # in the order rules look at them
COMPARED = {
    "url_dedup": "with the same address",
    "exact": "with the same text",
    "index": "of earlier corpora",
    "near": "that are nearly the same",
}
DEDUP = (*COMPARED, "spans", "substrings")  # in the order they drop documents
MOST = 5  # stories of one address that was captured often
_SAME = r"^[a-z]+://(www\.)?|#.*$|/+$"  # what two spellings of one address may differ in

Parts = dict[str, list[Shard]]


def explain(parts: Parts, rules: tuple[dict, ...], query: str) -> str:
    """Why the page with this URL or id is, or is not, in the corpus.

    `parts`: shards of "ledger", "pages", "languages", "urls", "signals", "verdicts", "exact", "near", and "quality",
    "contamination", "url_dedup", "index", "spans", "substrings", "data" where there are any. `rules`: as `verdicts` has
    them. An id may be cut to 8 digits or more.
    Raises UserError with the nearest addresses for a page that is not there.
    """
    found = _find(parts["ledger"], query.strip())
    stories = ["\n".join(_story(parts, rules, shard, row)) for shard, row in found[:MOST]]
    if len(found) > MOST:
        stories.append(f"... and {len(found) - MOST} more captures: {', '.join(row['id'] for _, row in found[MOST:])}")
    return "\n\n".join(stories) + "\n"


def _find(ledgers: list[Shard], query: str) -> list[tuple[int, dict[str, Any]]]:
    """Records with this id or URL, else with another spelling of it; with the shards they are in."""
    loosely = []
    for test in (_is_same, _is_spelled_otherwise):
        for part in ledgers:
            table = part.table()
            loosely += [(part.index, row) for row in table.filter(test(table, query)).to_pylist()]
        if loosely:
            return loosely
    raise UserError(_not_found(ledgers, query))


def _is_same(table: pa.Table, query: str) -> pa.ChunkedArray:
    same = pc.or_(pc.equal(table["url"], query), pc.equal(table["id"], query.lower()))
    if re.fullmatch(r"[0-9a-fA-F]{8,31}", query):
        same = pc.or_(same, pc.starts_with(table["id"], query.lower()))
    return same.fill_null(False)


def _is_spelled_otherwise(table: pa.Table, query: str) -> pa.ChunkedArray:
    urls = pc.replace_substring_regex(pc.utf8_lower(table["url"]), _SAME, "")
    return pc.equal(urls, re.sub(_SAME, "", query.lower())).fill_null(False)


def _not_found(ledgers: list[Shard], query: str) -> str:
    records = sum(part.rows() for part in ledgers)
    host = re.split("[/?#:]", re.sub(_SAME, "", query.lower()), maxsplit=1)[0]
    near: list[str] = []
    for part in ledgers:
        urls = part.table(["url"])["url"]
        same_host = urls.filter(pc.match_substring(urls, host)) if "." in host else urls.slice(0, 0)
        near = difflib.get_close_matches(query, [*near, *same_host.slice(0, 2000).to_pylist()], 3, 0.0)
    if not near:
        return f"{plain(query)}: no such URL or id among {records:,} records, nor any page of such a host"
    said = ", ".join(plain(url, 200) for url in near)
    return (
        f"{plain(query)}: no such URL or id among {records:,} records; type one that is there, the nearest are {said}"
    )


def _story(parts: Parts, rules: tuple[dict, ...], shard: int, entry: dict[str, Any]) -> Iterator[str]:
    yield plain(entry["url"])
    yield _line("id", entry["id"])
    measured = _measured(parts, shard, entry["id"]) if entry["id"] else {}
    if "text" in measured:
        page = {name: column[0].as_py() for name, column in measured.items()}
        yield from _page(entry, page)
        yield from _rules(parts["verdicts"][shard], entry["id"], rules, measured)
        yield from _duplicates(parts, shard, entry)
        yield from _benchmarks(page)
    else:
        yield _line("found", f"{entry['source']} at {entry['offset']:,}")
        yield _line("document", f"none: it never became one ({entry['stage']})")
    yield from _verdict(parts, entry)


def _line(name: str, text: str) -> str:
    return f"  {name:<10} {text}"


def _measured(parts: Parts, shard: int, id_: str) -> dict[str, pa.ChunkedArray]:
    """All columns of the document's row, of the first sidecar that has each; empty for a record without document."""
    columns: dict[str, pa.ChunkedArray] = {}
    for name in SIDECARS:
        row = _row(parts[name][shard], id_) if parts.get(name) else None
        for column in row.column_names if row is not None else ():
            columns.setdefault(column, row[column])  # type: ignore[index]
        if row is None and name == "pages":
            return {}
    return columns


def _row(part: Shard, id_: str, columns: list[str] | None = None) -> pa.Table | None:
    for batch in part.batches(columns, rows=1024):
        found = batch.filter(pc.equal(batch["id"], id_))
        if found.num_rows:
            return pa.Table.from_batches([found.slice(0, 1)])
    return None


def _page(entry: dict[str, Any], page: dict[str, Any]) -> Iterator[str]:
    captured = f", captured {page['date']:%Y-%m-%d %H:%M} UTC" if page["date"] else ""
    dump = f", dump {plain(page['dump'])}" if page["dump"] else ""
    yield _line("found", f"{entry['source']} at {entry['offset']:,}{captured}{dump}")
    yield _line("title", plain(page["title"], 120) or "(none)")
    if said := [
        f"{n} {plain(str(page[n]), 120)}" for n in ("author", "published", "canonical") if page.get(n) is not None
    ]:
        yield _line("says", ", ".join(said))
    size = f"{len(page['text']):,} characters by {plain(page['extractor'])}"
    yield _line(
        "text", f"{size} from {page['html_bytes'] or 0:,} bytes of HTML in {plain(page['charset']) or 'no charset'}"
    )
    yield _line("", f"“{plain(page['text'], 160)}”")
    yield _line("language", _language(page))
    if page.get("url_blocked"):
        yield _line("address", f"on a list: {page['url_blocked']} ({plain(page['url_match'])})")
    if page.get("quality") is not None:
        rank = page.get("quality_percentile")
        yield _line("quality", number(page["quality"]) + (f", percentile {rank:.1f}" if rank is not None else ""))
    rights = [f"{n} {plain(page[n])}" for n in ("robots", "tdm_reservation", "license") if page.get(n) is not None]
    yield _line("rights", ", ".join(rights) or "nothing declared")


def _language(page: dict[str, Any]) -> str:
    if page.get("language") is None:
        return "not identified"
    said = f"{page['language']} ({page['script']}) {number(page['language_score'])}"
    second = page.get("second_language")
    return said + (f", then {second} {number(page['second_score'])}" if second else "")


def _rules(verdicts: Shard, id_: str, rules: tuple[dict, ...], measured: dict) -> Iterator[str]:
    """Every rule of the recipe, passed or not. Raises AssertionError when the verdict says otherwise."""
    from filters.rules import failing

    fails = [
        rule["name"] for rule in rules if rule["column"] in measured and failing(measured[rule["column"]], rule)[0]
    ]
    row = _row(verdicts, id_, ["id", "failed"])
    if row is None or (row["failed"][0].as_py() or []) != fails:
        raise AssertionError(f"{id_}: these rules fail {fails}, the verdict says {row and row['failed'][0].as_py()}")
    yield _line("rules", f"{len(rules)}, {len(fails)} failed")
    names = [f"{rule['stage']}/{rule['name']}" for rule in rules]
    bounds = [bound(rule) for rule in rules]
    for rule, name, said in zip(rules, names, bounds, strict=True):
        value = measured[rule["column"]][0].as_py() if rule["column"] in measured else None
        verdict = "FAIL" if rule["name"] in fails else "ok"
        shown = "null" if value is None else plain(number(value), 60)
        yield f"    {verdict:<4} {name:<{max(map(len, names))}}  {said:<{max(map(len, bounds))}}  {shown}"


def _duplicates(parts: Parts, shard: int, entry: dict[str, Any]) -> Iterator[str]:
    stood = 1
    for name, what in ((name, what) for name, what in COMPARED.items() if name in parts):
        row = _row(parts[name][shard], entry["id"])
        said = row.to_pylist()[0] if row is not None else {}
        if said.get("duplicate_of") and name == "index":
            head = f"{said['duplicate_of']} {plain(said['detail'])}"
            yield _line(name, f"known from an earlier run (similarity {number(said['similarity'])}): {head}")
        elif said.get("duplicate_of"):
            similarity = f" (similarity {number(said['similarity'])})" if name == "near" else ""
            head = _url(parts, said["duplicate_of"])
            yield _line(name, f"one of {said['cluster_size']:,} documents {what}{similarity}; first is {head}")
        elif (said.get("cluster_size") or 1) > stood:
            stood = said["cluster_size"]
            yield _line(name, f"stands for {said['cluster_size']:,} documents {what}, itself among them")
        elif entry["verdict"] == "dropped" and entry["stage"] not in DEDUP[DEDUP.index(name) :]:
            yield _line(name, "not compared: dropped before")
        else:
            yield _line(name, "no duplicate")
    for name in (name for name in DEDUP if name in parts and name not in COMPARED):
        row = _row(parts[name][shard], entry["id"], ["id", "duplicate_ratio", "cut_chars"])
        said = row.to_pylist()[0] if row is not None else {}
        if said.get("duplicate_ratio"):
            share = f"{said['duplicate_ratio']:.1%} of the words stand elsewhere before"
            yield _line(name, f"{share}, {said['cut_chars']:,} characters cut out")


def _url(parts: Parts, id_: str) -> str:
    """Address and id; the id alone of a document that stands in an earlier corpus."""
    for part in parts["ledger"]:
        row = _row(part, id_, ["id", "url"])
        if row is not None:
            return f"{plain(row['url'][0].as_py())} ({id_})"
    return id_


def _benchmarks(page: dict[str, Any]) -> Iterator[str]:
    if page.get("benchmark"):
        hit = f"{plain(page['benchmark'])} {plain(page['item'])}: {number(page['contamination'])} ({page['kind']})"
        yield _line("benchmark", f"{hit}, {counted(page['contaminated_items'], 'item')} in all")
    elif "contamination" in page:
        yield _line("benchmark", "no hit")


def _verdict(parts: Parts, entry: dict[str, Any]) -> Iterator[str]:
    if entry["verdict"] == "kept":
        for part in parts.get("data", []):
            row = _row(part, entry["id"], ["id", "pii_masked", "duplicates", "char_count"])
            if row is not None:
                said = row.to_pylist()[0]
                size = f"{said['char_count']:,} characters, personal data masked {counted(said['pii_masked'], 'time')}"
                yield _line(
                    "published", f"file {part.index}, {size}, stands for {counted(said['duplicates'], 'document')}"
                )
        yield _line("verdict", "KEPT")
        return
    why = "" if against(entry) == entry["rule"] else f": {plain(against(entry))}"
    yield _line("verdict", f"DROPPED by {entry['stage']}/{entry['rule']}{why}")
    if entry["duplicate_of"]:
        yield _line("", f"for {_url(parts, entry['duplicate_of'])}")
