"""Numbers and sections that no stage can work with are refused before anything runs, in the shipped recipes too."""

import gzip
from pathlib import Path

import pytest

from pipeline.base.errors import UserError
from pipeline.build import load_recipe
from pipeline.runner.manifests import input_bytes


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("near.bands", "0", "out of range: 1 to"),
        ("near.bands", "9999999999", "out of range: 1 to"),
        ("near.rows", "0", "out of range"),
        ("near.preset", "26", "near.preset: preset '26': not bands x rows; type one of 14x8, 26x11"),
        ("near.ngram", "0", "out of range"),
        ("near.threshold", "0", "out of range: 0.01 to 1"),
        ("near.threshold", "1.01", "out of range: 0.01 to 1"),
        ("near.partitions", "65537", "out of range"),
        ("exact.partitions", "65537", "out of range"),
        ("publish.shard_bytes", "0", "out of range: at least 1"),
        ("quality.folds", "1", "out of range: at least 2"),
        ("quality.lr", "0", "out of range"),
        ("decontaminate.report", "1.5", "out of range: 0 to 1"),
        ("decontaminate.n", "0", "out of range"),
        ("identify.window", "0", "out of range"),
        ("near", "off", "cannot be switched off"),
        ("exact", "off", "cannot be switched off"),
        ("publish", "7", "is a section: type [publish] on a line of its own$"),
    ],
)
def test_settings_out_of_range_are_refused(setting, value, message):
    with pytest.raises(UserError, match=message.replace("[", r"\[")) as error:
        load_recipe("de", None, {setting: value})
    assert str(error.value).startswith(f"--set {setting}: ")


@pytest.mark.parametrize(("setting", "value"), [("near.bands", "1"), ("near.threshold", "1"), ("near.partitions", "0")])
def test_settings_at_a_bound_are_accepted(setting, value):
    assert load_recipe("de", None, {setting: value}).steps


def test_a_language_that_no_model_identifies_is_refused(tmp_path):
    path = tmp_path / "odd.toml"
    path.write_text('language = "qqq"\n[rules]\npresets = ["rights"]\n')
    with pytest.raises(UserError, match=r'odd\.toml:1: the embedded model does not tell the language "qqq"'):
        load_recipe(str(path), None, {})


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ('[near]\nkeep = "oldst"\n', 3, "[near] keep: unknown policy 'oldst': did you mean 'oldest'?"),
        ('[exact]\nthreads = 1\nkeep = "best:beauty"\n', 3, "[exact] unknown setting 'threads'"),
        ('[exact]\nkeep = "best:beauty"\n', 3, "[exact] keep = 'best:beauty': unknown column of numbers 'beauty'"),
        ('[near]\nkeep = "best:language"\n', 3, "[near] keep = 'best:language': unknown column of numbers"),
        ('[identify]\n\nmodel = "lid.bin"\n', 4, "[identify] {here}/lid.bin: no such fastText model"),
        (
            '[identify]\nmodel = "own.bin"\n',
            3,
            "pin the model, so that the same settings give the same rows: type sha256 =",
        ),
        ('[identify]\nmodel = "embeded"\n', 3, "did you mean embedded?"),
        ('[source]\npaths = ["none/*.warc.gz"]\n', 3, "[source] paths {here}/none/*.warc.gz: no file is there"),
        ('[publish]\npii = ["phones"]\n', 3, "[publish] pii: unknown kind 'phones': did you mean 'phone'?"),
        ('[publish]\nregion = "Germany"\n', 3, "[publish] region: 'Germany' is no country"),
        ('[publish]\n\ntag = "[x]"\n', 4, "[publish] tag: '[x]' would be taken for personal data again"),
        ('[decontaminate]\nnames = ["a", "b"]\n', 3, "[decontaminate] names: 2 names for 1 benchmark; give one each"),
        ("[decontaminate]\nbenchmarks = []\n", 3, "[decontaminate] no benchmark is named"),
        ('[decontaminate]\nbenchmarks = ["own.bin"]\n', 3, "[decontaminate] {here}/own.bin line 1: not JSON"),
        ('[decontaminate]\nbenchmarks = ["cut.csv.gz"]\n', 3, "cut.csv.gz: cannot be read as a benchmark"),
        ('[quality]\nreferences = ["own.bin"]\n', 3, "[quality] {here}/own.bin: unknown kind of file"),
        ('[quality]\nreferences = ["cut.txt.gz"]\n', 3, "cut.txt.gz: cannot be read as a reference corpus"),
        (
            '[quality]\nreferences = ["other.jsonl"]\n',
            3,
            "other.jsonl:1: no column 'text'; there are content; type text_column = \"content\"",
        ),
    ],
)
def test_what_a_stage_itself_refuses_has_its_line(tmp_path, text, line, message):
    path = tmp_path / "my.toml"
    path.write_text(f'extends = "de"\n{text}')
    (tmp_path / "own.bin").write_text("neither model nor benchmark\n")
    (tmp_path / "other.jsonl").write_text('{"content": "x"}\n')
    for name in ("cut.csv.gz", "cut.txt.gz"):
        (tmp_path / name).write_bytes(gzip.compress(b"question,answer\nWho?,me\n" * 9)[:20])
    with pytest.raises(UserError) as error:
        load_recipe(str(path), None, {})
    assert f"my.toml:{line}: " in str(error.value) and message.format(here=tmp_path) in str(error.value)


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("near.keep", "bestt", "--set near.keep: unknown policy 'bestt': did you mean 'best:<column>'?"),
        ("publish.pii", '["phones"]', "--set publish.pii: unknown kind 'phones': did you mean 'phone'?"),
    ],
)
def test_the_command_line_is_named_once(setting, value, message):
    with pytest.raises(UserError) as error:
        load_recipe("de", None, {setting: value})
    assert str(error.value) == message


def test_columns_to_rank_by_are_listed_by_the_step_that_makes_them():
    listed = r"unknown column of numbers 'zzz': there are \[languages\] language_score, second_score; \[signals\] "
    with pytest.raises(UserError, match=listed):
        load_recipe("de", None, {"near.keep": "best:zzz"})


def test_documents_cannot_be_ranked_by_what_is_not_measured():
    with pytest.raises(
        UserError, match=r"--set exact\.keep: .*: \[quality\] makes that column and is off: type \[quality\]"
    ):
        load_recipe("any", None, {"exact.keep": "best:quality"})


@pytest.mark.parametrize(("preset", "bands", "rows"), [("26x11", 26, 11), ("450x20", 450, 20), ("93x15", 93, 15)])
def test_a_preset_is_bands_and_rows_wherever_they_count(preset, bands, rows):
    build = load_recipe("de", None, {"near.preset": preset})
    params = [build.steps[name].params for name in ("signatures", "near_links", "near_clusters")]
    assert {(p["bands"], p["rows"]) for p in params} == {(bands, rows)}
    summary = f"near dedup: {bands} bands x {rows} rows over word 5-grams, verified Jaccard 0.8"
    assert build.summary().startswith(summary)
    assert [load_recipe("de", None, {"near.bands": str(bands), "near.rows": str(rows)}).steps["near"].key] == [
        build.steps["near"].key
    ]


def test_a_preset_beside_other_numbers_is_refused():
    with pytest.raises(UserError, match="preset = '26x11' is 26 bands x 11 rows: leave out bands and rows, or preset"):
        load_recipe("de", None, {"near.preset": "26x11", "near.bands": "14"})


def sparse(folder: Path, name: str, gib: float) -> str:
    """A file of that size that takes no room."""
    with open(folder / name, "wb") as file:
        file.truncate(int(gib * (1 << 30)))
    return str(folder / name)


@pytest.mark.parametrize(
    ("name", "gib", "pieces", "documents", "spans"),
    [
        ("a.warc.gz", 1, 4, 2, 2),
        ("a.warc.gz", 16, 64, 2, 4),
        ("a.warc.gz", 16.1, 65, 4, 8),
        ("a.warc.gz", 256, 1024, 32, 64),
        ("a.warc.gz", 512, 2048, 64, 128),
        ("a.warc.gz", 5000, 20_000, 1024, 2048),  # pieces of 256 MiB at most, partitions are powers of two
        ("a.jsonl", 4, 16, 4, 8),  # texts: more documents in a byte
        ("a.warc.wet.gz", 4, 16, 4, 8),
    ],
)
def test_shards_and_partitions_by_the_bytes_of_the_crawl(tmp_path, name, gib, pieces, documents, spans):
    file, recipe_ = sparse(tmp_path, name, gib), tmp_path / "my.toml"
    recipe_.write_text('extends = "de"\n[spans]\n')
    steps = load_recipe(str(recipe_), (file,), {}).steps
    assert len(steps["pages"].edges["source"].source.rows) == pieces
    assert {steps[n].params["partitions"] for n in ("exact_hashes", "near_bands", "near_candidates")} == {documents}
    assert steps["span_hashes"].params["partitions"] == steps["span_duplicates"].tasks == spans


def test_a_file_in_pieces_is_counted_once(tmp_path):
    sizes = [
        input_bytes(load_recipe("de", (sparse(tmp_path, "a.warc.gz", 1),), {"source.chunk_bytes": chunk}).corpus)
        for chunk in ("67108864", "1073741824")
    ]
    assert sizes == [1 << 30, 1 << 30]


def test_partitions_can_be_set(tmp_path):
    steps = load_recipe("de", (sparse(tmp_path, "a.warc.gz", 100),), {"near.partitions": "3"}).steps
    assert steps["near_links"].tasks == steps["near_clusters"].tasks == 3
    assert (steps["near_bands"].params["partitions"], steps["exact_hashes"].params["partitions"]) == (3, 16)
