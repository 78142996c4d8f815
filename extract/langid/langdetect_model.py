"""The identifier langdetect, a port of Nakatani's language-detection."""

from extract.langid.clean import encode_texts
from extract.langid.guess import SAMPLE_CHARACTERS, UNKNOWN, Guess, best_two, sample_text
from extract.langid.languages import two_letter_code
from extract.langid.script import dominant_scripts


class LangDetectIdentifier:
    """Identifies languages with langdetect, seeded before each text so that the order of texts has no effect."""

    def __init__(self, characters: int = SAMPLE_CHARACTERS) -> None:
        from langdetect import detector_factory

        self.characters = characters
        detector_factory.init_factory()
        detector_factory.DetectorFactory.seed = 0

    def identify(self, texts: list[str]) -> list[Guess]:
        """The guess for each text."""
        samples = [sample_text(text, self.characters) for text in texts]
        scripts = dominant_scripts(*encode_texts(samples))
        return [self._guess(text, script) for text, script in zip(samples, scripts, strict=True)]

    def _guess(self, text: str, script: str) -> Guess:
        from langdetect import detect_langs
        from langdetect.lang_detect_exception import LangDetectException

        try:
            ranked = detect_langs(text)
        except LangDetectException:  # the text has no letter of a script that it knows
            return UNKNOWN
        scores: dict[str, float] = {}
        for entry in ranked:
            language = two_letter_code(entry.lang)
            scores[language] = min(scores.get(language, 0.0) + entry.prob, 1.0)
        return UNKNOWN if script == "Zyyy" else best_two(scores, script)
