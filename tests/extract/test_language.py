"""Language identification: sentences, the kernels against slow references, backends, the stage, real data."""

import hashlib
import io
import itertools
import math
import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extract.langid import build_tables
from extract.langid.clean import clean_texts, encode_texts
from extract.langid.fasttext_model import fetch_model
from extract.langid.guess import Guess, sample_text
from extract.langid.identify import check_identifier, identify, identify_lines, load_identifier
from extract.langid.languages import log_prior, two_letter_code
from extract.langid.model import TABLES, WEIGHT_STEP, class_scores, label_probabilities, load_model
from extract.langid.script import CODES, dominant_scripts, script_table
from extract.pages import pages
from pipeline.base.errors import UserError
from pipeline.base.schema import LANGUAGES
from pipeline.store.shard import Shard
from tests.support import language_data

SENTENCES = [
    ("de", "Latn", "Gestern hat es den ganzen Tag geregnet, deshalb blieben wir zu Hause."),
    ("en", "Latn", "It rained all day yesterday, which is why we stayed at home."),
    ("fr", "Latn", "Hier il a plu toute la journée, c'est pourquoi nous sommes restés à la maison."),
    ("es", "Latn", "Ayer llovió todo el día, por eso nos quedamos en casa con los niños."),
    ("it", "Latn", "Ieri ha piovuto tutto il giorno, perciò siamo rimasti a casa."),
    ("nl", "Latn", "Gisteren heeft het de hele dag geregend, daarom bleven we thuis."),
    ("pl", "Latn", "Wczoraj padało przez cały dzień, dlatego zostaliśmy w domu."),
    ("pt", "Latn", "Ontem choveu o dia inteiro, por isso não saímos de casa."),
    ("ru", "Cyrl", "Вчера весь день шёл дождь, поэтому мы остались дома."),
    ("tr", "Latn", "Dün bütün gün yağmur yağdı, bu yüzden evde kaldık."),
    ("cs", "Latn", "Včera celý den pršelo, proto jsme zůstali doma."),
    ("sv", "Latn", "Igår regnade det hela dagen, därför stannade vi hemma."),
    ("da", "Latn", "I går regnede det hele dagen, så derfor blev vi hjemme og spiste kage."),
    ("fi", "Latn", "Eilen satoi koko päivän, joten jäimme kotiin."),
    ("hu", "Latn", "Tegnap egész nap esett az eső, ezért otthon maradtunk."),
    ("uk", "Cyrl", "Вчора цілий день йшов дощ, тому ми залишилися вдома."),
    ("el", "Grek", "Χθες έβρεχε όλη μέρα, γι' αυτό μείναμε στο σπίτι."),
    ("ar", "Arab", "أمطرت السماء طوال يوم أمس، لذلك بقينا في المنزل."),
    ("he", "Hebr", "אתמול ירד גשם כל היום ולכן נשארנו בבית."),
    ("hi", "Deva", "कल पूरे दिन बारिश हुई, इसलिए हम घर पर ही रहे।"),
    ("zh", "Hans", "昨天下了一整天的雨，所以我们待在家里。"),
    ("zh", "Hant", "昨天下了一整天的雨，所以我們待在家裡看電視。"),
    ("ja", "Jpan", "昨日は一日中雨が降っていたので、家にいました。"),
    ("ko", "Hang", "어제는 하루 종일 비가 와서 집에 있었습니다."),
    ("dv", "Thaa", "އެންމެހައި އިންސާނުންވެސް އުފަންވަނީ ދަރަޖަ އާއި ޙައްޤު ތަކުގައި މިނިވަންކަމާއި"),
]
ANY_TEXT = st.text(st.characters(exclude_categories=()))  # lone surrogates too
MIXED = st.lists(
    st.sampled_from(
        ["Straße", "ÄRZTE", "AB", "a", "Über", "ДОМ", "дом", "ß", "漢字", "İ", "é", "e\u0301", "\u00a0", "ẞ"]
    )
    | st.sampled_from(
        [
            "www.a.de",
            "WWW.A",
            "wwwx.",
            "x@y.z",
            "@x",
            "http://a.b/c",
            "1234",
            "12a",
            "\t",
            "\n",
            " ",
            "x\x00y",
            "COVID-19",
            "0AA",
        ]
    )
).map(" ".join)


@pytest.mark.parametrize("language, script, text", SENTENCES)
def test_sentences(language: str, script: str, text: str) -> None:
    guess = load_identifier().identify([text])[0]
    assert (guess.language, guess.script) == (language, script)
    assert guess.score >= 0.65
    assert guess.second != language and (guess.second_score or 0) <= guess.score


@pytest.mark.parametrize(
    "text", ["", " \n\t", "12 345,67 €", "?!…", "https://example.org/de/seite", "a@b.example", "\ud800"]
)
def test_without_letters_is_undetermined(text: str) -> None:
    assert load_identifier().identify([text]) == [Guess("und", "Zyyy", 0.0)]


def test_capitals_addresses_and_digits_change_nothing() -> None:
    plain = "Über die Größe der Äpfel und Birnen im Garten"
    noisy = "ÜBER DIE GRÖSSE DER ÄPFEL 12 UND BIRNEN http://www.example.co.uk/the-house IM 2024 GARTEN"
    first, second = load_identifier().identify([plain, noisy])
    assert first.language == second.language == "de" and second.score > 0.9


@given(st.lists(ANY_TEXT, max_size=8), st.randoms(use_true_random=False))
def test_a_guess_depends_on_its_text_alone(texts: list[str], chance) -> None:
    together = load_identifier().identify(texts)
    assert together == [load_identifier().identify([text])[0] for text in texts]
    order = list(range(len(texts)))
    chance.shuffle(order)
    assert load_identifier().identify([texts[i] for i in order]) == [together[i] for i in order]
    assert all(0 <= guess.score <= 1 and guess.script in (*CODES, "Hans", "Hant", "Jpan") for guess in together)


def slow_clean(text: str) -> bytes:
    """What `clean_texts` is to do, word by word on characters."""

    def lower(char: str) -> str:
        small = char.lower()
        return small if len(char.encode()) == len(small.encode()) <= 2 and len(small) == 1 else char

    out = []
    for word in "".join(" " if ord(char) <= 32 else char for char in text).split(" "):
        address = "://" in word or "@" in word[1:] or (word[:4].lower() == "www." and len(word.encode()) > 4)
        if not word or address:
            continue
        capitals = sum(lower(char) != char for char in word)
        small = any(
            lower(char) == char and ("a" <= char <= "z" or 0xBF < ord(char) < 0x800) for char in word
        )  # a letter without case counts as small
        if capitals > 1 and not small:  # digits of words in capitals stay
            out.append("".join(map(lower, word)) + " ")
        else:
            out.append("".join(char for char in word if not "0" <= char <= "9") + " ")
    return "".join(out).encode()


@given(st.one_of(MIXED, st.text()))
def test_cleaning_against_the_slow_reference(text: str) -> None:
    text = unicodedata.normalize("NFC", text)
    out, bounds = clean_texts(*encode_texts([text]))
    assert out[: bounds[1]].tobytes() == slow_clean(text)


def slow_probabilities(text: bytes) -> list[float]:
    """Naive Bayes as the paper has it, in Python's floats: one dictionary of counts, one sum a class."""
    model, counts, state = load_model(), {}, 0
    for byte in text:
        state = int(model.transitions[(int(model.state_row[state]) << 8) + byte])
        feature = int(model.state_feature[state])
        if feature >= 0:
            counts[feature] = counts.get(feature, 0) + 1
    total = [float(value) for value in model.class_bias]
    for feature, count in counts.items():
        for k, weight in enumerate(model.weights[feature]):
            total[k] += math.log1p(count) * (float(model.weight_offset[k]) + float(WEIGHT_STEP) * int(weight))
    scale = 1 / math.sqrt(max(sum(map(math.log1p, counts.values())), 1))
    parts = [
        math.exp(scale * (t - max(total)) + float(model.prior[i]))
        for t, i in zip(total, model.class_label, strict=True)
    ]
    actual = [0.0] * len(model.labels)
    for part, label in zip(parts, model.class_label, strict=True):
        actual[label] += part / sum(parts) if counts else 0.0
    return actual


@settings(max_examples=25)
@given(st.one_of(st.sampled_from([text for _, _, text in SENTENCES]), MIXED, st.text(max_size=30)))
def test_kernels_against_the_slow_reference(text: str) -> None:
    data, offsets = encode_texts([text])
    out, bounds = clean_texts(data, offsets)
    expected = slow_probabilities(out[: bounds[1]].tobytes())
    assert label_probabilities(data, offsets)[0] == pytest.approx(expected, abs=1e-4)


@settings(max_examples=50)
@given(st.lists(st.one_of(st.just(b""), st.binary(max_size=9), st.sampled_from([t.encode() for *_, t in SENTENCES]))))
def test_texts_walked_together_are_scored_as_each_alone(texts: list[bytes]) -> None:
    """Whatever their number and lengths; and nothing of one call is left for the next."""
    model = load_model()

    def scored(some: list[bytes]) -> list[np.ndarray]:
        offsets = np.cumsum([0, *map(len, some)])
        return [*class_scores(np.frombuffer(b"".join(some), np.uint8), offsets, model)[0]]

    together, alone = scored(texts), [scored([text])[0] for text in texts]
    assert all((a == b).all() for a, b in zip(together, alone, strict=True))


# Labels and scores are those of these tables: whoever builds others raises the versions of both stages.
TABLES_OF_VERSIONS = ("d81dc7bdde02163a8e2b23028ec18a6ac8d87bc645539bcc58ef4ae02736938e", {"identify": 1, "pages": 11})


def test_the_tables_are_those_of_the_versions_of_the_stages() -> None:
    versions = {function.stage.name: function.stage.version for function in (identify, pages)}  # type: ignore[attr-defined]
    assert (hashlib.sha256(TABLES.read_bytes()).hexdigest(), versions) == TABLES_OF_VERSIONS


@pytest.fixture(scope="module")
def package():
    """py3langid, from whose model the tables are built."""
    langid = pytest.importorskip("py3langid.langid")
    return langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE)


def test_the_tables_are_what_the_builder_makes_of_the_package(package) -> None:
    built, model = build_tables.build_arrays(package), load_model()
    assert [two_letter_code(name) for name in built.pop("classes")] == [model.labels[k] for k in model.class_label]
    for name, array in built.items():
        assert array.dtype == getattr(model, name).dtype and (array == getattr(model, name)).all(), name


def test_quantised_weights_decide_as_the_package_does(package) -> None:
    model = load_model()
    texts = [text for _, _, text in SENTENCES]
    raw, _ = class_scores(*encode_texts(texts), model)
    for text, row in zip(texts, raw, strict=True):
        assert model.labels[model.class_label[row.argmax()]] == two_letter_code(package.classify(text)[0])


def test_prior_orders_by_frequency() -> None:
    en, de, sv, br, zxx, pcm = log_prior(("en", "de", "sv", "br", "zxx", "pcm"))
    assert 0 == en > de > sv > br > zxx > pcm > -5


@pytest.mark.parametrize(
    "label, code",
    [("deu_Latn", "de"), ("de", "de"), ("zh-cn", "zh"), ("zho_Hant", "zh"), ("arb_Arab", "ar"), ("nob_Latn", "nb"),
     ("no", "nb"), ("als", "gsw"), ("als_Latn", "sq"), ("iw", "he"), ("yue_Hant", "yue"), ("swh", "sw"), ("hbs", "sh")],
)  # fmt: skip
def test_codes(label: str, code: str) -> None:
    assert two_letter_code(label) == code


def test_scripts_agree_with_the_unicode_property() -> None:
    regex = pytest.importorskip("regex")
    letters = [chr(point) for point in range(0x20000) if unicodedata.category(chr(point)) in ("Lu", "Ll", "Lo")]
    actual, wrong = script_table(), []
    for code in set(CODES) - {"Zyyy", "Zzzz"}:
        pattern = regex.compile(rf"\p{{Script={code}}}")
        own = {c for c in letters if (*CODES, "Hani", "Hani")[actual[ord(c)]] == code}
        wrong += sorted(own ^ {c for c in letters if pattern.match(c)})
        assert own
    assert {c for c in wrong if "HENTAIGANA" not in unicodedata.name(c)} == set("\u2126\u212a\u212bℲⅎↃ")  # signs


@given(st.lists(st.text(), max_size=5))
def test_scripts_of_any_text(texts: list[str]) -> None:
    actual = dominant_scripts(*encode_texts(texts))
    letters = [any(unicodedata.category(char)[0] == "L" for char in text) for text in texts]
    assert all(has or script in ("Zyyy", "Zzzz") or any(unicodedata.category(c)[0] == "M" for c in text)
               for has, script, text in zip(letters, actual, texts, strict=True))  # fmt: skip


@pytest.mark.parametrize("size, length", [(10, 0), (10, 32), (10, 33), (10, 1000)])
def test_sample_is_bounded_and_spread(size: int, length: int) -> None:
    text = "".join(chr(0x4E00 + i) for i in range(length))
    actual = sample_text(text, size)
    assert len(actual) <= 3 * size + 2 and sample_text(actual, size) == actual
    assert actual[:size] == text[:size] and actual[-size:] == text[-size:]


@pytest.fixture(scope="module")
def toy_model(tmp_path_factory: pytest.TempPathFactory):
    import fasttext

    folder = tmp_path_factory.mktemp("fasttext")
    pairs = [("deu_Latn", SENTENCES[0][2]), ("eng_Latn", SENTENCES[1][2]), ("zho_Hans", SENTENCES[20][2])] * 40
    (folder / "train.txt").write_text("".join(f"__label__{label} {text}\n" for label, text in pairs), encoding="utf-8")
    model = fasttext.train_supervised(
        str(folder / "train.txt"), dim=8, epoch=50, lr=0.5, minn=2, maxn=4, bucket=5000, thread=1
    )
    model.save_model(str(folder / "toy.bin"))
    return folder / "toy.bin", hashlib.sha256((folder / "toy.bin").read_bytes()).hexdigest()


def test_fasttext_models(toy_model) -> None:
    path, digest = toy_model
    guesses = load_identifier(str(path), digest).identify([SENTENCES[0][2], SENTENCES[1][2], "", "\ud800 1"])
    assert [(g.language, g.script) for g in guesses] == [
        ("de", "Latn"),
        ("en", "Latn"),
        ("und", "Zyyy"),
        ("und", "Zyyy"),
    ]
    assert 0.5 < guesses[0].score <= 1 and guesses[0].second in ("en", "zh")


def test_model_from_a_url_is_fetched_once_and_verified(toy_model, tmp_path, monkeypatch) -> None:
    path, digest = toy_model
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    copy = tmp_path / "model.bin"
    copy.write_bytes(path.read_bytes())
    with pytest.raises(UserError, match=f"sha256 is {digest}"):
        fetch_model(copy.as_uri(), "0" * 64)
    assert not any((tmp_path / "cache").rglob("*.bin")) and len(list((tmp_path / "cache").rglob("*"))) == 1
    fetched = fetch_model(copy.as_uri(), digest)
    copy.unlink()
    assert fetch_model(copy.as_uri(), digest) == fetched and fetched.read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    "model, sha256, says",
    [
        ("embeded", None, "did you mean embedded? Type embedded, langdetect, or the path"),
        ("none.bin", "0" * 64, "no such fastText model"),
        ("https://example.org/lid.bin", None, 'type sha256 = "..." below it'),
        ("https://example.org/lid.bin", "xyz", "not 64 hex digits"),
        ("TOY", None, 'type sha256 = "'),
        ("TOY", "0" * 64, "get the right file"),
    ],
)
def test_bad_settings_are_one_line(model: str, sha256: str | None, says: str, toy_model) -> None:
    with pytest.raises(UserError) as error:
        check_identifier(str(toy_model[0]) if model == "TOY" else model, sha256)
    assert says in str(error.value) and "\n" not in str(error.value)


def test_what_is_no_language_model(tmp_path) -> None:
    (tmp_path / "broken.bin").write_bytes(b"no model")
    with pytest.raises(UserError, match=r"not a fastText model"):
        load_identifier(str(tmp_path / "broken.bin"))


def test_langdetect_is_deterministic() -> None:
    texts = [SENTENCES[0][2], "kurz", "Hi", SENTENCES[2][2], "", "99"]
    one = load_identifier("langdetect").identify(texts)
    two = load_identifier("langdetect").identify(texts[::-1])[::-1]
    assert one == two and (one[0].language, one[3].language, one[4].language) == ("de", "fr", "und")


def test_stage_labels_both_languages_of_a_page() -> None:
    german, english = (f"{SENTENCES[i][2]} " * 12 for i in (0, 1))
    table_ = pa.table({"id": ["a", "b", "c", "d"], "text": [german + english[:500], german, "", None]})
    actual = pa.concat_tables(identify(Shard.of(table_)))
    assert actual.schema == LANGUAGES and actual["id"].to_pylist() == ["a", "b", "c", "d"]
    assert actual["language"].to_pylist() == ["de", "de", "und", "und"]
    assert actual["second_language"].to_pylist() == ["en", None, None, None]
    assert actual["second_score"][0].as_py() == pytest.approx(1 / 3, abs=0.2)


def test_stage_wants_a_pinned_model(toy_model) -> None:
    path, digest = toy_model
    table_ = pa.table({"id": ["a"], "text": [SENTENCES[0][2]]})
    with pytest.raises(UserError, match=digest):
        list(identify(Shard.of(table_), model=str(path)))
    assert next(identify(Shard.of(table_), model=str(path), sha256=digest))["language"].to_pylist() == ["de"]


def test_lines() -> None:
    out = io.StringIO()
    identify_lines(io.StringIO(f"{SENTENCES[0][2]}\n\n{SENTENCES[8][2]}"), out)
    rows = [line.split("\t") for line in out.getvalue().splitlines()]
    assert [(row[0], row[2]) for row in rows] == [("de", "Latn"), ("und", "Zyyy"), ("ru", "Cyrl")]
    assert rows[1][1] == "0.0" and float(rows[0][1]) > 0.9


@pytest.mark.parametrize(
    "load, languages, floor, recipes_floor",
    [
        (language_data.lingua, "af ar bg ca de el en es et fa fi fr he hi hu it ja ko lt lv nl pl pt ro ru sk sl sv tr "
         "uk zh cs da vi th sq ta te ur tl sw so mr pa gu bn mk", 0.985, 0.985),
        (language_data.tatoeba, "af ar bg ca cs da de el es et fa fi fr he hi hu it ja ko lt lv nl pl pt ro ru sk "
         "sv tr uk vi th sq ta te ur tl", 0.955, 0.965),
        (language_data.flores, "ar cs da de en es fi fr hu it nl pl pt ro ru sv tr uk zh", 0.995, 0.995),
    ],
)  # fmt: skip
def test_floors_on_sentences(load, languages: str, floor: float, recipes_floor: float, shared) -> None:
    labelled = load(shared, 50)
    guesses = [guess.language for guess in load_identifier().identify([text for _, text in labelled])]
    truth = [language for language, _ in labelled]
    assert language_data.scores(truth, guesses, languages.split())[0] >= floor
    recipes = [name for name in language_data.RECIPES if name in truth]
    assert language_data.scores(truth, guesses, recipes)[0] >= recipes_floor


def test_floor_on_crawled_pages(shared) -> None:
    from resiliparse.extract.html2text import extract_plain_text

    hplt = [page for page in itertools.islice(language_data.pages(shared), 100) if page[2]]
    texts = [extract_plain_text(html, main_content=True) for _, html, _ in hplt]
    guesses = load_identifier().identify(texts)
    long = [(silver_label, g) for (_, _, silver_label), g, t in zip(hplt, guesses, texts, strict=True) if len(t) >= 200]
    right = sum(silver_label == guess.language and guess.score >= 0.65 for silver_label, guess in long)
    assert len(long) >= 70 and right / len(long) >= 0.94
    assert np.mean([guess.score for _, guess in long]) > 0.95
