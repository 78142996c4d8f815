"""`explain`: the story of one page, from the record it was read from to the verdict, each value against its bound."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.base.errors import UserError
from pipeline.base.format import against, bound, counted, number, plain
from pipeline.plugins.stages import user_sidecar
from pipeline.runner.dag import Step
from pipeline.runner.manifests import manifest_name, read_manifest, shards_of
from pipeline.store.filesystem import Store
from pipeline.store.shard import Shard

MAX_STORIES = 5  # of one address that was captured often
_SCHEME = r"^[a-z]+://(www\.)?"
_SAME = rf"{_SCHEME}|#.*$|/+$"  # what two spellings of one address may differ in


class Evidence(NamedTuple):
    """The finished steps of a corpus, from which the story of a page is told.

    pages, ledger, data: shards of these steps. sidecars and selections: shards by step, in the order in which rules
    look at the first and the second drop documents. relations: what a duplicate has in common with the document it
    duplicates, in words, by selection. rules: as `verdicts` has them. user_columns: columns that user
    code measured, by sidecar.
    """

    pages: Sequence[Shard]
    ledger: Sequence[Shard]
    data: Sequence[Shard]
    sidecars: Mapping[str, Sequence[Shard]]
    selections: Mapping[str, Sequence[Shard]]
    relations: Mapping[str, str]
    rules: tuple[dict, ...]
    user_columns: Mapping[str, tuple[str, ...]] = {}


def explain_page(build: Any, store: Store, page: str) -> str:
    """Return the story of a page of the finished corpus of a recipe (`pipeline.build.Build`).

    Raises UserError when the corpus is not finished, or a step that the story needs is gone.
    """
    if read_manifest(store, build.corpus) is None:
        raise UserError(
            f"{store.root}: the corpus of this recipe and source is not made yet; run `corpus` with the same options"
        )

    def shards(step: Step) -> Sequence[Shard]:
        if not store.exists(manifest_name(step)):
            raise UserError(f"{store.uri(manifest_name(step))} is gone; run `corpus` again to explain pages from it")
        return shards_of(store, step)

    bound, steps = build.bound, build.steps
    evidence = Evidence(
        shards(steps["ledger"].edges["pages"].source),
        shards(steps["ledger"]),
        shards(steps["data"]),
        {name: shards(step) for name, step in bound.sidecars.items()},
        {name: shards(step) for name, step in bound.selections.items()},
        bound.relations,
        build.config.rules,
        {
            name: tuple(column.name for column in step.stage.columns)
            for name, step in bound.sidecars.items()
            if step.function is user_sidecar
        },
    )
    return explain(evidence, page)


def explain(evidence: Evidence, query: str) -> str:
    """Return why the page with this URL or id is, or is not, in the corpus. An id may be cut to 8 digits or more.

    Raises UserError with the nearest addresses for a page that is not there.
    """
    records = _find(evidence.ledger, query.strip())
    stories = ["\n".join(_story(evidence, shard, row)) for shard, row in records[:MAX_STORIES]]
    if len(records) > MAX_STORIES:
        others = ", ".join(row["id"] for _, row in records[MAX_STORIES:])
        stories.append(f"... and {len(records) - MAX_STORIES} more captures: {others}")
    return "\n\n".join(stories) + "\n"


def _find(ledgers: Sequence[Shard], query: str) -> list[tuple[int, dict[str, Any]]]:
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
    return pc.equal(urls, _simplify(query)).fill_null(False)


def _simplify(query: str) -> str:
    """Remove _SAME from one address: Python's engine would try each slash of a run, where Arrow's takes linear time."""
    address, fragment, _ = re.sub(_SCHEME, "", query.lower()).partition("#")
    return address if fragment else address.rstrip("/")


def _not_found(ledgers: Sequence[Shard], query: str) -> str:
    records = sum(part.rows() for part in ledgers)
    host = re.split("[/?#:]", _simplify(query), maxsplit=1)[0]
    near: list[str] = []
    for part in ledgers:
        urls = part.table(["url"])["url"]
        same_host = urls.filter(pc.match_substring(urls, host)) if "." in host else urls.slice(0, 0)
        near = difflib.get_close_matches(query, [*near, *same_host.slice(0, 2000).to_pylist()], 3, 0.0)
    if not near:
        return f"{plain(query)}: no such URL or id among {records:,} records, nor any page of such a host"
    nearest = ", ".join(plain(url, 200) for url in near)
    hint = f"type one that is there, the nearest are {nearest}"
    return f"{plain(query)}: no such URL or id among {records:,} records; {hint}"


def _story(evidence: Evidence, shard: int, entry: dict[str, Any]) -> Iterator[str]:
    yield plain(entry["url"])
    yield _line("id", entry["id"])
    measured = _measured(evidence, shard, entry["id"]) if entry["id"] else {}
    if "text" in measured:
        page = {name: column[0].as_py() for name, column in measured.items()}
        yield from _page(entry, page)
        yield from _user_columns(evidence, page)
        yield from _rules(evidence, shard, entry["id"], measured)
        yield from _selections(evidence, shard, entry)
        yield from _benchmarks(page)
    else:
        yield _line("record", f"{entry['source']} at {entry['offset']:,}")
        yield _line("document", f"none: it never became one ({entry['stage']})")
    yield from _verdict(evidence, entry)


def _line(name: str, text: str) -> str:
    return f"  {name:<10} {text}"


def _measured(evidence: Evidence, shard: int, id_: str) -> dict[str, pa.ChunkedArray]:
    """Return all columns of a document, of the first table that has each; none for a record without document."""
    page = _row(evidence.pages[shard], id_)
    if page is None:
        return {}
    columns = {name: page[name] for name in page.column_names}
    for shards in evidence.sidecars.values():
        row = _row(shards[shard], id_)
        for name in row.column_names if row is not None else ():
            columns.setdefault(name, row[name])  # type: ignore[index]
    return columns


def _row(shard: Shard, id_: str, columns: list[str] | None = None, name: str = "part") -> pa.Table | None:
    for batch in shard.batches(columns, name, rows=1024):
        rows = batch.filter(pc.equal(batch["id"], id_))
        if rows.num_rows:
            return pa.Table.from_batches([rows.slice(0, 1)])
    return None


def _page(entry: dict[str, Any], page: dict[str, Any]) -> Iterator[str]:
    captured = f", captured {page['date']:%Y-%m-%d %H:%M} UTC" if page["date"] else ""
    dump = f", dump {plain(page['dump'])}" if page["dump"] else ""
    yield _line("record", f"{entry['source']} at {entry['offset']:,}{captured}{dump}")
    yield _line("title", plain(page["title"], 120) or "(none)")
    if stated := [
        f"{n} {plain(str(page[n]), 120)}" for n in ("author", "published", "canonical") if page.get(n) is not None
    ]:
        yield _line("says", ", ".join(stated))
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
    first = f"{page['language']} ({page['script']}) {number(page['language_score'])}"
    second = page.get("second_language")
    return first + (f", then {second} {number(page['second_score'])}" if second else "")


def _user_columns(evidence: Evidence, page: dict[str, Any]) -> Iterator[str]:
    """Lines for the columns that user code measured."""
    for name, columns in evidence.user_columns.items():
        values = [_shown(page.get(column)) for column in columns]
        labels = ["" if column == name else f"{column} " for column in columns]
        yield _line(name, ", ".join(f"{label}{value}" for label, value in zip(labels, values, strict=True)))


def _shown(value: Any) -> str:
    return "null" if value is None else plain(number(value), 60)


def _rules(evidence: Evidence, shard: int, id_: str, measured: Mapping[str, pa.ChunkedArray]) -> Iterator[str]:
    """Lines for every rule of the recipe, passed or not. Raises AssertionError when the stored decision differs."""
    from filters.rules import is_outside

    rules = evidence.rules
    fails = [rule["name"] for rule in rules if is_outside(measured[rule["column"]], rule)[0]]
    stored = next(shards[shard] for shards in evidence.selections.values() if shards[shard].has("failed"))
    row = _row(stored, id_, ["id", "failed"], "failed")
    if row is None or (row["failed"][0].as_py() or []) != fails:
        raise AssertionError(f"{id_}: these rules fail {fails}, the decision says {row and row['failed'][0].as_py()}")
    yield _line("rules", f"{len(rules)}, {len(fails)} failed")
    names = [f"{rule['stage']}/{rule['name']}" for rule in rules]
    bounds = [bound(rule) for rule in rules]
    for rule, name, limit in zip(rules, names, bounds, strict=True):
        verdict = "FAIL" if rule["name"] in fails else "ok"
        value = _shown(measured[rule["column"]][0].as_py())
        yield f"    {verdict:<4} {name:<{max(map(len, names))}}  {limit:<{max(map(len, bounds))}}  {value}"


def _selections(evidence: Evidence, shard: int, entry: dict[str, Any]) -> Iterator[str]:
    """Lines for every selection that compares documents or removes passages."""
    represented, kept = 1, True
    for name, shards in evidence.selections.items():
        row = _row(shards[shard], entry["id"])
        decision = row.to_pylist()[0] if row is not None else {"keep": False, "rule": None, "cluster_size": None}
        if name in evidence.relations:
            yield _line(name, _comparison(evidence, name, decision, kept, represented))
        if shards[shard].has("removed"):
            row = _row(shards[shard], entry["id"], ["id", "duplicate_ratio", "removed_chars"], "removed")
            passages = row.to_pylist()[0] if row is not None else {}
            if passages.get("duplicate_ratio"):
                share = f"{passages['duplicate_ratio']:.1%} of the words occur elsewhere before"
                yield _line(name, f"{share}, {passages['removed_chars']:,} characters removed")
        represented, kept = decision["cluster_size"] or represented, bool(decision["keep"])


def _comparison(evidence: Evidence, name: str, decision: dict[str, Any], kept: bool, represented: int) -> str:
    """What a selection that drops duplicates decided, in words. `kept`, `represented`: before it."""
    if not kept:
        return "not compared: dropped before"
    if decision["duplicate_of"]:
        similarity = f" (similarity {number(decision['value'])})" if decision["threshold"] is not None else ""
        size = f"; {counted(decision['cluster_size'], 'document')} in all" if decision["cluster"] else ""
        first = f"{_url(evidence, decision['duplicate_of'])} {plain(decision['detail'])}".strip()
        return f"{evidence.relations[name]} {first}{similarity}{size}"
    if decision["cluster_size"] > represented:
        return f"represents {decision['cluster_size']:,} documents, itself included"
    return "no duplicate"


def _url(evidence: Evidence, id_: str) -> str:
    """Address and id; the id alone of a document that stands in an earlier corpus."""
    for part in evidence.ledger:
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


def _verdict(evidence: Evidence, entry: dict[str, Any]) -> Iterator[str]:
    if entry["verdict"] == "kept":
        for part in evidence.data:
            row = _row(part, entry["id"], ["id", "pii_masked", "duplicates", "char_count"])
            if row is not None:
                published = row.to_pylist()[0]
                masked = f"personal data masked {counted(published['pii_masked'], 'time')}"
                size = f"{published['char_count']:,} characters, {masked}"
                yield _line(
                    "published", f"file {part.index}, {size}, represents {counted(published['duplicates'], 'document')}"
                )
        yield _line("verdict", "KEPT")
        return
    why = "" if against(entry) == entry["rule"] else f": {plain(against(entry))}"
    yield _line("verdict", f"DROPPED by {entry['stage']}/{entry['rule']}{why}")
    if entry["duplicate_of"]:
        yield _line("", f"for {_url(evidence, entry['duplicate_of'])}")
