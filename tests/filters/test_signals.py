"""The signals: against their slow reference on arbitrary text, at each bound, on hostile pages, and on files."""

import io
import json
import time

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numba.core.errors import TypingError

from filters.signals.bad_words import count_bad_words, load_bad_words
from filters.signals.c4 import POLICIES, LineRules, compile_line_phrases
from filters.signals.c4_clean import clean, clean_text
from filters.signals.character_classes import character_classes
from filters.signals.columns import SIGNALS, SIGNALS_SCHEMA, record_dtype
from filters.signals.kernel import kernel_settings, measure_documents
from filters.signals.signals import GOPHER_STOP_WORDS, signal_table, signals, signals_file
from filters.signals.word_splits import SplitRules
from pipeline.base.columns import Column
from pipeline.base.errors import UserError
from pipeline.base.schema import PAGES, REJECTS
from pipeline.kernels.tokens import buffers
from pipeline.runner.dag import Asset
from pipeline.store.shard import Shard
from pipeline.store.writer import Output
from tests.support import reference_signals as reference
from tests.support.real_texts import real_texts

STOP_WORDS = ("der", "the", "l'")
BOTH, NEITHER = SplitRules(), SplitRules(hyphens=False, ordinals=False)


def settings_of(split: SplitRules = reference.PLAIN, **rules):
    """Kernel settings: the reference's rules with all policy phrases, but for those given."""
    rules = {**reference.RULES, "policies": POLICIES, **rules}
    line_rules = LineRules(*(rules[name] for name in LineRules._fields))
    return kernel_settings(STOP_WORDS, split, line_rules, rules["javascript"], rules["policies"])


def signals_of(texts: list[str], split: SplitRules = reference.PLAIN, **rules) -> list[dict]:
    """Signals of each text, by the kernels."""
    ids, column = pa.array([""] * len(texts)), pa.array(texts, pa.large_string())
    return signal_table(ids, column, settings_of(split, **rules)).to_pylist()


def signals_of_text(text: str, **rules) -> dict:
    return signals_of([text], **rules)[0]


# What the kernels treat specially, so that arbitrary text meets it often.
PIECES = (
    *(
        "a",
        "n",
        "T",
        "t",
        "s",
        "ll",
        "ve",
        "Ä",
        "ß",
        "é",
        "İ",
        "ﬁ",
        "1",
        "2",
        "२",
        "年",
        "の",
        "ก",
        "ิ",
        "\U00020000",
        "\U000f0000",
    ),
    *(
        "'",
        "’",
        ".",
        "..",
        "...",
        "…",
        ",",
        ":",
        "://",
        "www.",
        "-",
        "--",
        "–",
        "~",
        "+",
        "%",
        "$",
        "€",
        "²",
        "^",
        "*",
        "_",
    ),
    *(
        "(",
        ")",
        "[",
        "]",
        "[1]",
        "[edit]",
        "[citation needed]",
        "{",
        "/",
        "<",
        "=",
        "#",
        "•",
        "|",
        "“",
        "»",
        "。",
        "，",
        "😀",
    ),
    *("\n", "\n\n", "\r\n", "\r", " ", "  ", "\u2028", "\x0b", "\x85", "\u00a0", "\u200b", "\t"),
    *("the ", "The ", "der ", "L’", "javascript ", "Lorem Ipsum ", "Privacy Policy ", "verwendet Cookies "),
    *("U.S.", "z.B.", "don't", "it's", "dell'arte", "E-Mail", "ein Satz. ", "Zeile\n"),
)
TEXTS = st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=60).map("".join))


@settings(max_examples=300, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=4), st.booleans(), st.booleans(), st.booleans(), st.booleans())
@example(["", "\n", " \n ", "a\n\n\na"], True, True, False, True)
def test_every_signal_equals_its_reference(texts, hyphens, ordinals, terminal, citations):
    rules = {**reference.RULES, "policies": POLICIES, "terminal_punctuation": terminal, "citations": citations}
    split = SplitRules(hyphens, ordinals)
    for text, row in zip(texts, signals_of(texts, split, **rules), strict=True):
        expected = reference.signals(text, STOP_WORDS, split, rules)
        assert {"id", "c4_bad_words"} == row.keys() - expected.keys()
        assert {name: row[name] for name in expected} == pytest.approx(expected, abs=1e-12)


@settings(max_examples=200, deadline=None)
@given(TEXTS, st.booleans(), st.booleans(), st.sampled_from([-1, 0, 1, 3]), st.sampled_from([-1, 0, 5, 1000]))
def test_cleaning_equals_its_reference(text, terminal, citations, least, longest):
    rules = {**reference.RULES, "policies": POLICIES, "terminal_punctuation": terminal, "citations": citations}
    rules |= {"min_words": least, "max_word_length": longest}
    cleaned, lines = clean_text(
        text, LineRules(terminal, least, longest, citations), compile_line_phrases(True, POLICIES)
    )
    assert cleaned == reference.clean(text, rules)
    assert sum(lines.values()) == len(text.splitlines())


NEW_COLUMN = Column("shouting_ratio", pa.float64(), "Share of lines that shout.", 0, 1)


def records_of(columns: tuple[Column, ...], texts: list[str]) -> np.ndarray:
    """What the kernel writes into records with a field of each of these columns."""
    data, offsets = buffers(pa.array(texts, pa.large_string()))
    rows = np.zeros(len(texts), record_dtype(columns))
    measure_documents(data, offsets, settings_of(), rows)
    return rows


@pytest.mark.filterwarnings("ignore:.*considered a subtype:numba.core.errors.NumbaExperimentalFeatureWarning")
@pytest.mark.parametrize("position", [0, len(SIGNALS) // 2, len(SIGNALS)])
def test_a_column_inserted_anywhere_changes_no_other(position):
    texts = ["AAAA bbbb 11 cc", "- Der Hund… [1]\nDas ist gut. Das ist gut. Das ist gut.\n\nlorem ipsum { dolor #"]
    before = records_of(SIGNALS, texts)
    after = records_of((*SIGNALS[:position], NEW_COLUMN, *SIGNALS[position:]), texts)
    for column in SIGNALS:
        assert before[column.name].tolist() == after[column.name].tolist(), column.name
    assert after[NEW_COLUMN.name].tolist() == [0, 0]
    assert before["upper_ratio"].tolist()[0] == 0.4


def test_a_name_that_is_not_declared_does_not_compile():
    declared = tuple(column for column in SIGNALS if column.name != "upper_ratio")
    with pytest.raises((TypingError, KeyError), match="upper_ratio"):
        records_of(declared, ["a"])


def test_every_column_has_a_meaning_and_values_in_its_range(shared):
    texts = [*PIECES, *("".join(PIECES[i : i + 9]) for i in range(len(PIECES))), *real_texts(shared)["de"][:20]]
    table = pa.Table.from_pylist(signals_of(texts), SIGNALS_SCHEMA)
    for column in SIGNALS:
        values = table[column.name].to_numpy()
        assert column.doc.endswith(".") and column.low <= values.min() and values.max() <= column.high, column.name


def test_real_pages_equal_the_reference(shared):
    texts = [text for group in real_texts(shared).values() for text in group[:25] if len(text) < 6000]
    assert len(texts) > 50
    rules = {**reference.RULES, "policies": POLICIES}
    for text, row in zip(texts, signals_of(texts), strict=True):
        expected = reference.signals(text, STOP_WORDS, rules=rules)
        assert {name: row[name] for name in expected} == pytest.approx(expected, abs=1e-12), text[:80]


def test_schema_and_order_do_not_depend_on_the_batch():
    texts = ["Ein Satz mit vier Wörtern.", "", None, "b " * 500, "Noch ein Satz."]
    pages = pa.table({"id": list("abcde"), "text": texts})
    together = pa.concat_tables(signals(Shard.of(pages)))
    apart = pa.concat_tables(t for i in range(5) for t in signals(Shard.of(pages.slice(i, 1))))
    assert together.schema.equals(SIGNALS_SCHEMA) and together.equals(apart)
    assert together["id"].to_pylist() == list("abcde")
    assert not any(column.null_count for column in together.columns)


def test_nothing_measures_as_zero():
    for row in signals_of(["", " ", "\n\n", "\u2028"]):
        zero = {name: value for name, value in row.items() if name not in ("id", "char_count", "new_line_ratio")}
        assert not any(value for name, value in zero.items() if not name.startswith("dup_line")), row


@pytest.mark.parametrize(
    ("text", "split", "expected"),
    [
        ("Der Hund, die Katze (und) „Maus“.", BOTH, "Der|Hund|,|die|Katze|(|und|)|„|Maus|“|."),
        ("E-Mail am 12. Mai", BOTH, "E|-|Mail|am|12|.|Mai"),
        ("E-Mail am 12. Mai", NEITHER, "E-Mail|am|12.|Mai"),
        (
            "don't it's we'll L'Homme dell'arte O’Neill",
            BOTH,
            "do|n't|it|'s|we|'ll|L'|Homme|dell'|arte|O’|Neill",
        ),
        (
            "z.B. U.S. A. USA. usw. 3,50 1.000 50% 5€ +49",
            BOTH,
            "z.B.|U.S.|A.|USA|.|usw|.|3,50|1.000|50|%|5|€|+49",
        ),
        ("http://a.de/b-c?d=e, www.x-y.de.", BOTH, "http://a.de/b-c?d=e|,|www.x-y.de|."),
        ("warte...nein …ja Ende.Anfang a,b a/b", BOTH, "warte|...|nein|…|ja|Ende|.|Anfang|a|,|b|a|/|b"),
        ("2020年，你好。 ไทย", BOTH, "2020|年|，|你|好|。|ไ|ท|ย"),
        ("gut😀 so-–so a--b 3-4 x", BOTH, "gut|😀|so-–so|a|--|b|3|-|4|x"),
    ],
)
def test_tokens(text, split, expected):
    assert [token for _, token in reference.tokens(text, split)] == expected.split("|")  # the kernels equal it, above


def words(n: int) -> str:
    """n different words of four letters."""
    return " ".join(f"{a}{b}{c}o" for a in "abcdefghij" for b in "aeiou" for c in "klmnp")[: 5 * n - 1]


@pytest.mark.parametrize(
    ("column", "below", "at", "above"),
    [
        ("word_count", (words(49), 49), (words(50), 50), (words(51), 51)),
        ("mean_word_length", ("aa aaa", 2.5), ("aaa aaa", 3), ("aaa aaaa", 3.5)),
        ("mean_word_length", ("a" * 9, 9), ("a" * 10, 10), ("a" * 11, 11)),
        ("hash_ratio", ("a " * 19 + "#", 1 / 20), ("a " * 9 + "#", 1 / 10), ("a " * 8 + "#", 1 / 9)),
        ("ellipsis_ratio", ("a " * 19 + "…", 1 / 20), ("a " * 9 + "...", 1 / 10), ("a " * 8 + "…", 1 / 9)),
        ("bullet_line_ratio", ("• a\n" * 8 + "a\na", 0.8), ("- a\n" * 9 + "a", 0.9), (" • a\n" * 10, 1)),
        ("ellipsis_line_ratio", ("a…\n" + "a\n" * 4, 0.2), ("a... \n" * 3 + "a\n" * 7, 0.3), ("a…\na", 0.5)),
        ("alpha_word_ratio", ("a a a 1", 0.75), ("a a a a 1", 0.8), ("a a a a a 1", 5 / 6)),
        ("stop_word_count", ("Der Hund", 1), ("der THE", 2), ("der the L’eau", 3)),
        (
            "dup_line_frac",
            ("a\nb\nc\na", 0.25),
            ("\n".join("abcdefgaaa"), 0.3),
            ("a\na", 0.5),
        ),
        ("dup_para_frac", ("a\n\nb\n\nc\n\na", 0.25), ("\n\n".join("abcdefgaaa"), 0.3), ("a\n\na", 0.5)),
        ("dup_line_char_frac", ("abc\na\na", 1 / 7), ("a\na\n" + "b" * 1, 0.2), ("a\na", 1 / 3)),
        ("dup_para_char_frac", ("abcd\n\na\n\na", 0.1), ("a\n\na\n", 0.2), ("a\n\na", 0.25)),
        ("top_2_gram", ("a b a b " + "c" * 24, 6 / 32), ("a b a b " + "c" * 22, 0.2), ("a b a b " + "c" * 20, 6 / 28)),
        (
            "top_3_gram",
            ("a b c a b c " + "d" * 46, 10 / 58),
            ("abc d e abc d e x " + "y" * 82, 0.14),
            ("a b c a b c", 10 / 11),
        ),
        (
            "top_4_gram",
            ("a b c d " * 2 + "e" * 78, 14 / 94),
            ("ab c d e " * 2 + "f" * 82, 0.16),
            ("a b c d a b c d", 14 / 15),
        ),
        (
            "dup_5_gram",
            ("a b c d e a b c d e" + "f" * 30, 0),
            ("ab c d e f " * 2 + "g" * 18, 0.15),
            ("a b c d e " * 2, 5 / 19),  # a blank at the end is not counted
        ),
        (
            "dup_10_gram",
            (words(9) + " x " + words(9), 0),
            ("a b c d e f g h i j " * 2 + "k" * 60, 0.1),
            ("a b c d e f g h i j " * 2, 10 / 39),
        ),
        ("line_punct_ratio", ("a.\n" + "a\n" * 9, 0.1), ("a.\n" * 3 + "a\n" * 22, 0.12), ("a。\na\n", 0.5)),
        (
            "short_line_ratio",
            ("a" * 31 + "\na", 0.5),
            (("b" * 30 + "\n") * 67 + ("a" * 31 + "\n") * 33, 0.67),
            ("a" * 30, 1),
        ),
        ("char_dup_ratio", ("a\na\n" + "b" * 198, 1 / 200), ("a\na\n" + "b" * 98, 0.01), ("a\na\n" + "b" * 8, 0.1)),
        ("new_line_ratio", ("a\nb c d", 0.25), ("a\nb\nc\n" + "d " * 7, 0.3), ("a\nb", 0.5)),
        ("c4_sentences", ("Das ist gut. " * 4, 4), ("Das ist gut. " * 5, 5), ("Das ist gut! " * 6, 6)),
        ("c4_kept_line_ratio", ("a b\na b c", 0.5), ("a b c\n\n", 1), ("", 0)),
        ("max_word_length", ("a" * 999 + " b", 999), ("b " + "a" * 1000, 1000), ("a" * 1001, 1001)),
        ("upper_ratio", ("aaaB", 0.25), ("aB1", 0.5), ("AB.", 1)),
        ("digit_ratio", ("abc1", 0.25), ("a1", 0.5), ("12", 1)),
        ("line_count", ("a\n\n \n", 1), ("a\nb", 2), ("a\nb\r\nc", 3)),
        ("char_count", ("", 0), ("ä", 1), ("😀\n", 2)),
    ],
)
def test_below_at_and_above_the_bound(column, below, at, above):
    for text, value in (below, at, above):
        assert signals_of_text(text)[column] == pytest.approx(value, abs=1e-12), text


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        ("drei Wörter reichen", "kept"),
        ("zwei Wörter", "min_words_per_line"),
        ("ein Wort " + "x" * 1000, "kept"),
        ("ein Wort " + "x" * 1001, "max_word_length"),
        ("Bitte JavaScript einschalten, um weiterzulesen", "javascript"),
        ("Please read our PRIVACY POLICY here", "policy"),
        ("Hier steht die DATENSCHUTZERKLÄRUNG der Firma", "policy"),
        ("Diese Seite verwendet Cookies überall", "policy"),
        ("", "min_words_per_line"),
    ],
)
def test_what_becomes_of_a_line(line, verdict):
    assert {name: n for name, n in clean_text(line)[1].items() if n} == ({verdict: 1} if line else {})


@pytest.mark.parametrize(
    ("line", "stays"),
    [
        ("Das ist ein Satz.", True),
        ("Das ist ein Satz?", True),
        ('Er sagt: "Das ist ein Satz"', True),
        ("Das ist ein Satz.[12]", True),
        ("Das ist ein Satz[edit]", False),
        ("Das ist kein Satz...", False),
        ("Das ist kein Satz…", False),
        ("Das ist keiner:", False),
        ("„Das ist einer.“", False),  # C4 knows no German closing mark
    ],
)
def test_terminal_punctuation(line, stays):
    assert bool(clean_text(line, LineRules(True, 3, 1000, True))[0]) == stays


def test_c4_looks_at_lines_in_the_reference_s_order():
    assert signals_of_text("lorem ipsum")["c4_lorem_ipsum"] is False  # two words: the line is gone before
    assert signals_of_text("Lorem Ipsum dolor")["c4_lorem_ipsum"] is True
    assert signals_of_text("lorem ipsum dolor javascript {")["c4_curly_bracket"] is False
    assert signals_of_text("a b { c privacy policy")["c4_curly_bracket"] is True
    assert signals_of_text("{ a")["c4_curly_bracket"] is False


def test_a_citation_is_neither_sentence_nor_word():
    assert signals_of_text("Das ist gut.[1] Und das auch.[citation needed]")["c4_sentences"] == 2
    assert clean_text("Das ist gut.[1] Und das auch.[citation needed]")[0] == "Das ist gut. Und das auch."


def pages_of(texts: list[str]) -> pa.Table:
    names = {"id": [f"{i:032x}" for i in range(len(texts))], "text": texts, "url": ["http://a.example/"] * len(texts)}
    return pa.table({f.name: names.get(f.name, pa.nulls(len(texts), f.type)) for f in PAGES}, schema=PAGES)


def test_cleaning_rejects_pages_without_a_line():
    pages = pages_of(
        ["Ein Satz mit vier Wörtern.\nkurz", "kurz\nnoch kurz\nmit JavaScript läuft es", "", "Nur ein Satz hier."]
    )
    before = {**dict.fromkeys(REJECTS.names), "id": "f" * 32, "stage": "http", "rule": "redirect"}
    outputs = list(clean(Shard.of(pages, rejects=pa.Table.from_pylist([before], REJECTS))))
    kept = pa.concat_tables(output for output in outputs if not isinstance(output, Output))
    rejects = pa.concat_tables(output.table for output in outputs if isinstance(output, Output))
    assert kept["text"].to_pylist() == ["Ein Satz mit vier Wörtern.", "Nur ein Satz hier."]
    assert kept.schema.equals(PAGES) and rejects.schema.equals(REJECTS)
    assert rejects["id"].to_pylist() == ["f" * 32, *(f"{i:032x}" for i in (1, 2))]
    assert rejects["rule"].to_pylist() == ["redirect", "no_lines_left", "no_lines_left"]
    assert rejects["detail"].to_pylist() == [None, "min_words_per_line 2, javascript 1", None]


def test_bad_words_are_whole_words_and_phrases(tmp_path):
    listed = tmp_path / "words.txt"
    listed.write_text("arsch\nböses wort\nböses\n\n🖕\n性\n", encoding="utf-8")
    texts = ["Arsch! ARSCH.", "Arschbombe", "ein BÖSES Wort", "böse Worte", "異性愛", "", "arsch-arsch"]
    assert count_bad_words(pa.array(texts), load_bad_words(listed)).tolist() == [2, 0, 1, 0, 1, 0, 2]
    column = pa.concat_tables(signals(Shard.of(pages_of(texts)), bad_words=Asset.of(listed)))["c4_bad_words"]
    assert column.to_pylist() == [2, 0, 1, 0, 1, 0, 2]


@pytest.mark.parametrize("content", [b"\xff\xfe", b"\n\n", "🖕\n".encode()])
def test_a_bad_word_list_is_one_line_of_complaint(tmp_path, content):
    (tmp_path / "words.txt").write_bytes(content)
    with pytest.raises(UserError, match=r"words\.txt.*one word or phrase a line"):
        load_bad_words(tmp_path / "words.txt")


HOSTILE = {
    "one line of one megabyte": "x" * 1_000_000,
    "one line of words": "ab " * 330_000,
    "equal lines": "gleich\n" * 140_000,
    "equal paragraphs": "gleich\n\n" * 125_000,
    "line feeds": "\n" * 1_000_000,
    "carriage returns": "\r" * 1_000_000,
    "dots": "." * 1_000_000,
    "dots apart": "a." * 500_000,
    "hyphens": "-" * 1_000_000,
    "words and hyphens": "a-" * 500_000,
    "apostrophes": "a'" * 500_000,
    "brackets": "[" * 1_000_000,
    "citations": "[1" * 500_000 + "]",
    "javascript": "javascript" * 100_000,
    "lorem": "lorem ipsu" * 100_000,
    "Han": "年" * 330_000,
    "marks": "á̂" * 200_000,
    "numbers": " ".join(map(str, range(150_000))),
    "Thue and Morse": "".join("ab"[bin(i).count("1") & 1] + " " for i in range(500_000)),
}


def test_hostile_pages_cost_what_their_length_costs():
    texts = list(HOSTILE.values())
    signals_of([text[:1000] for text in texts])  # compiled
    taken = {}
    for name, text in HOSTILE.items():
        start = time.process_time()
        signals_of([text])
        clean_text(text)
        taken[name] = (time.process_time() - start) / len(text.encode()) * 1e6
    assert max(taken.values()) < 3, taken  # seconds a megabyte; the slowest take 0.2 where a quadratic one takes hours


def test_long_lines_and_paragraphs_are_told_apart():
    """Thue-Morse words of 1,024 letters and their opposites have one polynomial hash modulo 2^64, whatever the base."""
    word = "".join("ab"[bin(i).count("1") & 1] for i in range(1 << 10))
    other = word.translate(str.maketrans("ab", "ba"))
    assert signals_of_text(f"{word}\n{other}")["dup_line_frac"] == 0
    lined = "\n".join
    assert signals_of_text(f"{lined(word)}\n\n{lined(other)}")["dup_para_frac"] == 0
    assert signals_of_text(f"{lined(word)}\n\n{lined(word)}")["dup_para_frac"] == 0.5


def test_repeats_are_found_in_every_language():
    text = "你好世界朋友们。" * 3
    row = signals_of_text(text)
    assert row["word_count"] == 21 and row["mean_word_length"] == 1  # a word a character
    assert row["dup_5_gram"] > 0.5


def test_classes_of_codepoints_are_python_s():
    kinds = character_classes()
    points = [chr(i) for i in range(0x20000)]
    for bit, question in ((1, str.isspace), (4, str.isalpha), (8, str.isupper)):
        assert np.flatnonzero(kinds[:0x20000] & bit).tolist() == [i for i, c in enumerate(points) if question(c)]


def test_short_policy_phrases_are_refused():
    with pytest.raises(UserError, match="two letters"):
        list(signals(Shard.of(pages_of(["a"])), policy_phrases=("x",)))


def test_a_long_policy_phrase_is_found():
    phrase = "wort " * 80 + "ende"
    for text, policies in ((phrase, (phrase,)), ("wort " * 80 + "Ende", ("kelvin", phrase))):
        phrases = compile_line_phrases(False, policies)
        assert clean_text(f"vorher {text} nachher", phrases=phrases)[1]["policy"] == 1


def test_signals_of_a_file(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"id": i, "text": f"Der Hund und die Katze {i}"}) + "\n" for i in range(3000)))

    def rows_of(language: str) -> list[dict]:
        out = io.StringIO()
        signals_file(str(path), out, language=language)
        return [json.loads(line) for line in out.getvalue().splitlines()]

    german = rows_of("de")
    assert list(german[0]) == SIGNALS_SCHEMA.names and [row["id"] for row in german] == [str(i) for i in range(3000)]
    assert german[0]["stop_word_count"] == 3  # der, und, die
    assert rows_of("en")[0]["stop_word_count"] == 0
    with pytest.raises(UserError, match=r"type one of .*de"):
        rows_of("german")


def test_default_stop_words_are_gopher_s():
    assert GOPHER_STOP_WORDS == ("the", "be", "to", "of", "and", "that", "have", "with")


SEEN = (
    "Ein Satz mit Punkt.\n\nEin zweiter Absatz, der länger ist...\n- ein Punkt\nEin Satz mit Punkt.\n\n12 km {x}\nEnde"
)


@pytest.mark.parametrize(
    ("name", "unseen"),
    [
        ("blanks at the ends of lines", SEEN.replace("\n", "  \n") + " "),
        ("tabs at the ends of lines", SEEN.replace("\n", "\t\n") + "\t"),
        ("CRLF", SEEN.replace("\n", "\r\n") + "\r"),
        ("blanks and CRLF", SEEN.replace("\n", " \r\n")),
        ("no-break blanks", SEEN.replace(" ", "\u00a0")),
        ("some no-break blanks", SEEN.replace("mit ", "mit\u00a0", 1)),
        ("narrow no-break blanks", SEEN.replace(" ", "\u202f")),
        ("ideographic blanks", SEEN.replace(" ", "\u3000")),
        ("no-break blanks at the ends of lines", SEEN.replace("\n", "\u00a0\n")),
        ("soft hyphens", SEEN.replace("Absatz", "Ab\u00adsatz")),
        ("zero-width spaces", SEEN.replace(" ", "\u200b ").replace("\n", "\u200b\n")),
        ("word joiners", SEEN.replace("km", "\u2060km")),
        ("a byte order mark", "\ufeff" + SEEN),
    ],
)
def test_what_is_not_seen_changes_no_signal(name, unseen):
    assert unseen != SEEN
    assert signals_of([unseen]) == signals_of([SEEN])


@given(st.text(st.sampled_from("aB1. -\n\r\t\u00a0\u200b\u00ad\u3000\u2028\x0b\u0301天…"), max_size=60))
@example("a\r  \n")
@example("\u200b\u2028\n")
def test_signals_are_those_of_the_text_as_it_is_seen(text):
    assert signals_of([text]) == signals_of([reference.visible(text)])


@pytest.mark.parametrize("text", ["", " ", "\u200b", "\u00ad \u2060\ufeff\u200b", "\u00a0\r"])
def test_a_text_of_which_nothing_is_seen_has_no_words(text):
    (row,) = signals_of([text])
    assert {name: value for name, value in row.items() if name != "id" and value} == {}
