"""Benchmark files: items in the formats that benchmarks come in, what is wrong with a file, real benchmarks."""

import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from filters.contamination.benchmarks import find_benchmarks, read_benchmark
from pipeline.base.errors import UserError

READ = [
    (
        "a.jsonl",
        '{"id": "q7", "question": "Who?", "choices": ["A man", "No one"], "answer": "No one"}',
        ("q7", "Who?", ("A man", "No one"), "No one"),
    ),
    (
        "a.jsonl",
        '{"question": "Who?", "choices": ["A man", "No one"], "answer": 1}',
        ("1", "Who?", ("A man", "No one"), "No one"),
    ),
    (
        "a.jsonl",
        '{"question": "Who?", "choices": {"text": ["x", "y"], "label": ["1", "2"]}, "answerKey": "2"}',
        ("1", "Who?", ("x", "y"), "y"),
    ),
    (
        "a.jsonl",
        '{"question": "Which?", "options": ["a", "b", "c", "d", "e", "f", "g", "h", "i th", "j"], "answer": "I"}',
        ("1", "Which?", ("a", "b", "c", "d", "e", "f", "g", "h", "i th", "j"), "i th"),
    ),
    ("a.jsonl", '{"question": "m?", "choices": ["m^2", "m^3"], "answer": "\u00b2"}', ("1", "m?", ("m^2", "m^3"), "²")),
    ("a.jsonl", '{"question": "2 + 2?", "choices": ["1", "4"], "answer": "4"}', ("1", "2 + 2?", ("1", "4"), "4")),
    (
        "a.jsonl",
        '{"goal": "Boil", "sol1": "Heat it", "sol2": "Cool it", "label": 0}',
        ("1", "Boil", ("Heat it", "Cool it"), "Heat it"),
    ),
    (
        "a.jsonl",
        '{"sentence": "The _ fell", "option1": "cup", "option2": "cat", "answer": "2"}',
        ("1", "The _ fell", ("cup", "cat"), "cat"),
    ),
    (
        "a.jsonl",
        '{"task_id": "H/0", "prompt": "def f():", "canonical_solution": "return 1"}',
        ("H/0", "def f():", (), "return 1"),
    ),
    (
        "a.csv",
        "question,choice0,choice1,choice2,choice3,answer\nWhich?,1,2,3,4,1",
        ("1", "Which?", ("1", "2", "3", "4"), "2"),
    ),
    ("a.csv", "Which?,one,two,three,four,C", ("1", "Which?", ("one", "two", "three", "four"), "three")),
    ("a.csv", "question,answer\rWhich?,one", ("1", "Which?", (), "one")),  # lines end as on old Macs
    ("a.csv", f"question,context,answer\nWhich?,{'x' * 200_000},one", ("1", "Which?", (), "one")),
    ("a.tsv", 'Wie viel "kostet" das?\t18', ("1", 'Wie viel "kostet" das?', (), "18")),
    ("a.tsv", "question\tanswer\nWie viel?\t18", ("1", "Wie viel?", (), "18")),
    (
        "a.json",
        '{"data": [{"paragraphs": [{"context": "c", "qas": [{"id": "s", "question": "Who?", "answers": [{"text": "Bo"}]}]}]}]}',  # noqa: E501
        ("s", "Who?", (), "Bo"),
    ),
    (
        "a.json",
        '[{"instruction": "Please choose the correct answer to the question: Why?\\n\\nAnswer1: So. Answer2: No.\\n\\nAnswer format: answer1/answer2", "answer": "answer2"}]',  # noqa: E501
        ("1", "Why?", ("So.", "No."), "No."),
    ),
    (
        "a.json",
        '[{"instruction": "How far? Answer Choices: (A) 1 km (B) 2 km", "answer": "B"}]',
        ("1", "How far?", ("1 km", "2 km"), "2 km"),
    ),
    (
        "a.json",
        '[{"instruction": "how far ? The options: A ) 1 , B ) 2.5", "answer": "A"}]',
        ("1", "how far ?", ("1", "2.5"), "1"),
    ),
]


@pytest.mark.parametrize(("name", "text", "item"), READ)
def test_reads_items_in_the_formats_that_benchmarks_come_in(tmp_path, name, text, item):
    (tmp_path / name).write_text(text)
    assert [tuple(read) for read in read_benchmark(str(tmp_path / name))] == [item]
    with gzip.open(tmp_path / f"{name}.gz", "wt") as file:
        file.write(text)
    assert [tuple(read) for read in read_benchmark(str(tmp_path / f"{name}.gz"))] == [item]


def test_reads_parquet(tmp_path):
    pq.write_table(pa.table({"question": ["Who?"], "choices": [["a", "b"]], "answer": [1]}), tmp_path / "a.parquet")
    assert next(read_benchmark(str(tmp_path / "a.parquet"))) == ("1", "Who?", ("a", "b"), "b")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.jsonl", "{", "a.jsonl line 1: not JSON"),
        ("a.jsonl", "[1]", "a.jsonl line 1: an item is an object"),
        ("a.jsonl", '{"titel": "x"}', "a.jsonl item 1: none of the fields question, .* it has: titel"),
        ("a.json", '{"x": 1}', "a.json: no list of items"),
        ("a.json", '{"data": [{"paragraphs": ["x"]}]}', "a.json item 1: an item is an object"),
        ("a.json", '{"data": [{"paragraphs": [{"qas": ["x"]}]}]}', "a.json item 1: an item is an object"),
        ("a.json", '{"data": [{"paragraphs": [{"context": "x"}]}]}', "a.json: no items"),
        ("a.jsonl", "\n", "a.jsonl: no items"),
        ("a.csv", "a,b\n1,2", "a.csv item 1: none of the fields"),
        ("a.csv", "a,b,c,d,e,\n1,2,3,4,5,6", "a.csv item 1: none of the fields"),  # six columns, but no letter
        ("a.parquet", "no Parquet", "a.parquet: cannot be read as a benchmark"),
        ("a.jsonl.gz", "no gzip", "a.jsonl.gz: cannot be read as a benchmark"),
    ],
)
def test_one_line_says_what_is_wrong_with_a_file(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=message) as raised:
        list(read_benchmark(str(tmp_path / name)))
    assert "\n" not in str(raised.value)


def test_finds_files_folders_and_globs_by_name(tmp_path):
    for name in ("m/b.csv", "m/a.jsonl.gz", "m/notes.txt", "c.tsv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    assert find_benchmarks((str(tmp_path),))[1] == ("c", "m/a", "m/b")
    assert find_benchmarks((str(tmp_path / "m" / "*.csv"), str(tmp_path / "c.tsv")))[1] == ("b", "c")
    with pytest.raises(UserError, match="no benchmark file there"):
        find_benchmarks((str(tmp_path / "none"),))


COUNTS = {
    "gsm8k/test": 1319, "humaneval/HumanEval": 164, "mgsm/mgsm_de": 250, "xquad/xquad.en": 1190,
    "commonsense-llm-adapters/ARC-Easy.test": 2376, "mmlu/test/anatomy_test": 135,
}  # fmt: skip


def test_reads_every_real_benchmark_whole(shared):
    assets, names = find_benchmarks((str(shared / "benchmarks"),))
    items = {name: list(read_benchmark(asset.path)) for name, asset in zip(names, assets, strict=True)}
    assert {name: len(items[name]) for name in COUNTS} == COUNTS
    blank = {name for name, own in items.items() for item in own if not item.question}
    assert all("rephrased" in name for name in blank)  # a record that the model left blank: nothing can match it
    choices = [item for name in names if name.startswith("mmlu") for item in items[name]]
    assert all(len(item.choices) == 4 and item.answer in item.choices for item in choices)
    assert not any("Answer format" in item.question for own in items.values() for item in own)
