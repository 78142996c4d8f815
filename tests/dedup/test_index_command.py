"""The index on the command line."""

import json
import re
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.__main__ import main
from tests.support.index_world import dump_rows, monthly_rows, random_text, with_word_replaced

pytestmark = pytest.mark.usefixtures("quick_steps")


def write_dump(folder: Path, name: str, rows: list[dict]) -> Path:
    """Write a dump as JSON lines, with dates in the month that its name ends in."""
    file = folder / f"{name}.jsonl"
    documents = [{"id": r["id"], "url": f"https://host.example/{r['id']}", "text": r["text"]} for r in rows]
    days = [f"{name[8:]}-{1 + i % 28:02d}" for i in range(len(rows))]
    file.write_text("".join(json.dumps({**r, "date": day}) + "\n" for r, day in zip(documents, days, strict=True)))
    return file


class Shell:
    """Commands in this process: `corpus` prints a folder, others text."""

    def __init__(self, folder: Path, capsys):
        self.folder, self.root, self._capsys = folder, folder / "root", capsys
        (folder / "r.toml").write_text(
            'language = "any"\n[rules]\npresets = []\n[identify]\n[alarms]\nallow_empty = true\n'
        )

    def __call__(self, *arguments: str, code: int = 0) -> str:
        self._capsys.readouterr()
        local = ("--local",) if arguments[0] in ("corpus", "plan", "index", "explain") else ()
        assert main([*arguments, "--root", str(self.root), *local]) == code
        printed = self._capsys.readouterr()
        return printed.out if code == 0 else printed.err

    def corpus(self, dump: Path, *more: str, code: int = 0) -> Path | str:
        output = self(
            "corpus", str(self.folder / "r.toml"), "--source", str(dump), "--index", "german", *more, code=code
        )
        return Path(output.strip()) if code == 0 else output


def ledger(folder: Path) -> list[dict]:
    return [row for file in sorted(folder.glob("ledger/*.parquet")) for row in pq.read_table(file).to_pylist()]


@pytest.fixture
def shell(tmp_path, capsys) -> Shell:
    return Shell(tmp_path, capsys)


def test_dumps_one_by_one_on_the_command_line(shell):
    dumps = [write_dump(shell.folder, f"CC-MAIN-2024-{10 + n}", monthly_rows(n)) for n in range(2)]
    first = shell.corpus(dumps[0])
    recipe = str(shell.folder / "r.toml")
    output = shell("plan", recipe, "--source", str(dumps[1]), "--index", "german")
    assert "index german: compared with 30 documents of 1 dump; the dump is added" in output
    second = shell.corpus(dumps[1])
    rows = {row["id"]: row for row in ledger(second)}
    earlier = [row for row in rows.values() if row["rule"] == "duplicate_of_earlier"]
    assert len(earlier) == 12 and {row["stage"] for row in earlier} == {"index"}
    kept = {row["id"] for row in ledger(first) if row["verdict"] == "kept"}
    assert all(row["duplicate_of"] in kept and row["value"] >= row["threshold"] == 0.8 for row in earlier)
    assert {row["detail"] for row in earlier} == {"in CC-MAIN-2024-10"}
    stats = json.loads((second / "stats.json").read_text())
    assert stats["duplicates"]["index"]["dropped"] == 12 and stats["duplicates"]["near"]["dropped"] == 2
    card, report = (second / "README.md").read_text(), (second / "report.html").read_text()
    assert re.search(r"\*\*index\*\*[^:]*: 12 documents, duplicates of documents in earlier corpora", card)
    assert "index: 12 dropped as duplicates of documents in earlier corpora, 0 of these withdrawn" in report
    story = shell("explain", earlier[0]["url"], "--recipe", recipe, "--source", str(dumps[1]), "--index", "german")
    assert f"index      like {earlier[0]['duplicate_of']} in CC-MAIN-2024-10 (similarity 1)" in story
    assert "DROPPED by index/duplicate_of_earlier: 1 against 0.8 in CC-MAIN-2024-10" in story
    assert shell.corpus(dumps[1]) == second and shell.corpus(dumps[0]) == first
    output = shell("index", "german")
    assert (
        "CC-MAIN-2024-10  30" in output and str(first) in output and "50 documents in 2 segments, 0 withdrawn" in output
    )
    output = shell("plan", recipe, "--source", str(dumps[0]), "--index", "german")
    assert "compared with 0 documents of 0 dumps; the dump is in it already" in output and "0 of" in output
    assert "dump = " not in shell.corpus(dumps[0], "--set", "near.threshold=0.5", code=2)
    assert 'scope = "dump" compares no dumps' in shell.corpus(dumps[0], "--set", "near.scope=dump", code=2)


def test_selections_that_do_not_compare_with_the_index_are_named(shell, capsys):
    file = write_dump(shell.folder, "CC-MAIN-2024-10", monthly_rows(0))
    arguments = [str(shell.folder / "r.toml"), "--source", str(file), "--index", "german"]
    recipe = shell.folder / "r.toml"
    assert "own documents" not in shell("plan", *arguments)
    recipe.write_text(recipe.read_text() + "[spans]\n")
    output = "index: spans compares this dump's own documents, not those of the index\n"
    assert output in shell("plan", *arguments)
    recipe.write_text(recipe.read_text() + "[url_dedup]\n")
    assert main(["corpus", *arguments, "--root", str(shell.root), "--local"]) == 0
    assert (
        "index: url_dedup and spans compare this dump's own documents, not those of the index\n"
        in capsys.readouterr().err
    )


def test_joining_a_published_corpus_and_withdrawing(shell):
    other = monthly_rows(0)
    published = write_dump(shell.folder, "published", other)
    output = shell("index", "german", "--add", str(published), "--preset", "20x6")
    assert "published.jsonl  35" in output and "(joined)" in output and "bands 20" in output
    dump_ = write_dump(shell.folder, "CC-MAIN-2024-11", monthly_rows(1))
    assert "bands 20 there, 14 here" in shell.corpus(dump_, code=2)
    same = ("--set", "near.bands=20", "--set", "near.rows=6")
    folder = shell.corpus(dump_, *same)
    assert sum(row["stage"] == "index" for row in ledger(folder)) == 12
    # its own data files, as an index of another name
    output = shell("index", "again", "--add", str(folder / "data" / "*.parquet"))
    assert "20 documents in 1 segment" in output
    assert shell("index", "again", "--add", str(folder / "data" / "*.parquet")) == output

    assert shell("index") == "again\ngerman\n"

    withdrawn = [row["id"] for row in ledger(folder) if row["verdict"] == "kept"][:2]
    (shell.folder / "ids.txt").write_text("\n".join(withdrawn) + "\n")
    assert "2 withdrawn" in shell("index", "german", "--withdraw", str(shell.folder / "ids.txt"))
    texts = {row["id"]: row["text"] for row in monthly_rows(1)}
    later = [with_word_replaced(texts[i], 40) for i in withdrawn] + [random_text(999)]
    rows = ledger(shell.corpus(write_dump(shell.folder, "CC-MAIN-2024-12", dump_rows(9, later)), *same))
    assert [(r["rule"], r["duplicate_of"]) for r in rows] == [
        ("withdrawn", withdrawn[0]),
        ("withdrawn", withdrawn[1]),
        (None, None),
    ]
    # an older dump that is steps again loses them too
    folder = shell.corpus(dump_, *same)
    rows = {row["id"]: row for row in ledger(folder)}
    assert str(folder) in shell("index", "german")
    assert {rows[i]["rule"] for i in withdrawn} == {"withdrawn"}
    assert sum(row["verdict"] == "kept" for row in rows.values()) == 18
    (shell.folder / "ids.txt").write_text(f"{withdrawn[0]}\n{'e' * 32}\n")
    assert "1 of 2 ids is not in index german" in shell(
        "index", "german", "--withdraw", str(shell.folder / "ids.txt"), code=2
    )
    (shell.folder / "ids.txt").write_text("https://host.example/1\n")
    assert "give 32 hex digits" in shell("index", "german", "--withdraw", str(shell.folder / "ids.txt"), code=2)


def test_an_id_that_two_dumps_have_is_withdrawn_with_both_texts(shell):
    for number in (0, 1):  # a record that was extracted in two ways, say
        row = {**dump_rows(0, [random_text(number)])[0], "url": "https://host.example/"}
        (shell.folder / f"{number}.jsonl").write_text(json.dumps(row))
        shell("index", "german", "--add", str(shell.folder / f"{number}.jsonl"))
    (shell.folder / "ids.txt").write_text(row["id"])
    assert "1 withdrawn" in shell("index", "german", "--withdraw", str(shell.folder / "ids.txt"))
    later = [with_word_replaced(random_text(number), 40) for number in (0, 1)]
    rows = ledger(shell.corpus(write_dump(shell.folder, "CC-MAIN-2024-12", dump_rows(9, later))))
    assert [row["rule"] for row in rows] == ["withdrawn", "withdrawn"]


def test_what_is_withdrawn_stays_withdrawn_when_the_last_dump_is_made_anew(tmp_path, shell):
    dumps = [write_dump(shell.folder, f"CC-MAIN-2024-{10 + n}", monthly_rows(n)) for n in range(2)]
    for file in dumps:
        folder = shell.corpus(file)
    withdrawn = next(row["id"] for row in ledger(folder) if row["verdict"] == "kept")
    (shell.folder / "ids.txt").write_text(withdrawn)
    shell("index", "german", "--withdraw", str(shell.folder / "ids.txt"))
    rows = {row["id"]: row for row in ledger(shell.corpus(dumps[1], "--set", "near.threshold=0.7"))}
    assert rows[withdrawn]["rule"] == "withdrawn"
    again = write_dump(shell.folder, "CC-MAIN-2024-15", [row for row in monthly_rows(1) if row["id"] == withdrawn])
    (row,) = ledger(shell.corpus(again, "--set", "near.threshold=0.7"))
    assert row["rule"] == "withdrawn"
    shutil.rmtree(tmp_path / "root")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("index", "nothing"), "nothing is in it"),
        (("index", "a/b"), "a name has letters"),
        (("index", "x", "--add", "none/*.parquet"), "no file is there"),
        (("index", "x", "--compact"), "nothing is in it"),
        (("index", "x", "--withdraw", __file__), "nothing is in it"),
        (("index", "--compact"), "which index? type its name first"),
        (("index", "x", "--add", ""), "--add is empty: give files\n"),
        (("index", "x", "--add", "none.jsonl"), "--add none.jsonl: no file is there"),
        (("index", "x", "--preset", "26x11"), "a recipe has it in [near]"),
    ],
)
def test_bad_commands_are_one_line(shell, arguments, message):
    output = shell(*arguments, code=2)
    assert message in output and output.count("\n") == 1


def test_what_is_joined_is_accounted_for(shell, capsys):
    file, table = shell.folder / "other.jsonl", shell.folder / "other.parquet"
    file.write_text('{"body": "one two three four five"}\n{"body": null}\n{"body": "six seven\n')
    output = shell("index", "german", "--add", str(file), code=2)
    assert "other.jsonl: no column 'text'; there are body; type --text-column body" in output
    assert "nothing is in it" in shell("index", "german", code=2)
    assert (
        main(["index", "german", "--add", str(file), "--text-column", "body", "--root", str(shell.root), "--local"])
        == 0
    )
    output = capsys.readouterr()
    assert "other.jsonl: 1 document, 2 rows left out (damaged 1, no_text 1)" in output.err
    assert "other.jsonl  1 " in output.out
    pq.write_table(pa.table({"body": ["one two three"]}), table)
    output = shell("index", "german", "--add", str(table), code=2)
    assert f"error: {table}: no column 'text'; there are body; type --text-column body" in output


def test_ids_are_read_from_files_of_other_systems_too(shell):
    published = write_dump(shell.folder, "published", monthly_rows(0))
    shell("index", "german", "--add", str(published))
    (shell.folder / "ids.txt").write_bytes(b"\xef\xbb\xbf" + monthly_rows(0)[0]["id"].upper().encode() + b"\r\n")
    assert "1 withdrawn" in shell("index", "german", "--withdraw", str(shell.folder / "ids.txt"))
    (shell.folder / "ids.txt").write_bytes(b"\xff\xfe")
    output = shell("index", "german", "--withdraw", str(shell.folder / "ids.txt"), code=2)
    assert "ids.txt: cannot be read (it is no text); give a file of one id a line, or -" in output
    output = shell("index", "german", "--withdraw", "none.txt", code=2)
    assert "none.txt: cannot be read (No such file or directory)" in output and output.count("\n") == 1
