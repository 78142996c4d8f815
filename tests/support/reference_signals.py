"""The signals, slowly and plainly: what the kernels of filters/signals must measure, number for number."""

import re
import unicodedata
from collections import Counter

from filters.signals.character_classes import TERMINAL_RANGES, parse_ranges
from filters.signals.word_splits import SplitRules
from pipeline.kernels.tokens import CHARACTER, classes

TERMINAL = {chr(point) for point in parse_ranges(TERMINAL_RANGES)}
SYMBOLS = set("’“”—％〈〉&、━【】「」，；„；～«»∶´．（）–？！：。…►‘“《》") | TERMINAL
EDGES = (set(",:;¡¿_#*&<>、，；：～·،؛٪'\"`´…") | TERMINAL) - {"."}
PLAIN = SplitRules()
CITATION = re.compile(r"\[\d*\]|\[edit\]|\[citation needed\]")
MARKS_AFTER = ".?!\"'"


def category(char: str) -> str:
    return unicodedata.category(char)


def is_symbol(char: str) -> bool:
    if ord(char) < 160:
        return not char.isalnum() and char not in "\t\n "
    return char in SYMBOLS


def is_edge(char: str) -> bool:
    """Whether the character is split off as a token at either end of a word."""
    return char in EDGES or category(char) in ("Ps", "Pe", "Pi", "Pf", "So")


def is_front(char: str) -> bool:
    return is_edge(char) or category(char) == "Sc" or char in "§%=—–+"


def is_single(char: str) -> bool:
    return 0x20000 <= ord(char) < 0x33480 or (ord(char) < 0x20000 and classes()[ord(char)] == CHARACTER)


def is_alpha(char: str) -> bool:
    return char.isalpha() if ord(char) < 0x20000 else is_single(char)


def is_digit(char: str) -> bool:
    return category(char) == "Nd"


def is_upper(char: str) -> bool:
    return char.isupper()


def chunks(text: str) -> list[tuple[int, str]]:
    """Runs of non-space with where they start."""
    runs, start = [], None
    for i, char in enumerate(text + " "):
        if char.isspace():
            if start is not None:
                runs.append((start, text[start:i]))
            start = None
        elif start is None:
            start = i
    return runs


def tokens(text: str, split: SplitRules = PLAIN) -> list[tuple[int, str]]:
    """(position, token) of a text."""
    return [(start + i, token) for start, chunk in chunks(text) for i, token in pieces(chunk, split)]


def pieces(word: str, split: SplitRules) -> list[tuple[int, str]]:
    """(position, token) of a run of non-space."""
    front, rest = take_front(word)
    core = rest[: core_length(rest, split)]
    tail = re.findall(r"\.\.+|.", rest[len(core) :], re.DOTALL)
    middle = [core] if (core.startswith("www.") and len(core) > 4) or "://" in core else split_core(core, split)
    placed, position = [], 0
    for token in [*front, *middle, *tail]:
        if token:
            placed.append((position, token))
        position += len(token)
    return placed


def take_front(word: str) -> tuple[list[str], str]:
    front = []
    while word:
        dots = re.match(r"\.\.+", word)
        if dots:
            taken = dots.group()
        elif is_front(word[0]) and not (word[0] == "+" and word[1:2] and is_digit(word[1])):
            taken = word[0]
        else:
            break
        front.append(taken)
        word = word[len(taken) :]
    return front, word


def core_length(word: str, split: SplitRules) -> int:
    """Length of the word without all tokens that are split off its end."""
    while word:
        last, before = word[-1], word[-2:-1]
        if last == ".":
            bare = word.rstrip(".")
            if len(word) - len(bare) == 1 and not ends_word(bare, split):
                break
            word = bare
        elif (
            is_edge(last) or last in "—–" or ((category(last) == "Sc" or last in "%+") and before and is_digit(before))
        ):
            word = word[:-1]
        else:
            break
    return len(word)


def ends_word(bare: str, split: SplitRules) -> bool:
    """Whether a dot behind `bare` ends it rather than being part of an abbreviation."""
    if not bare:
        return False
    if is_alpha(bare[-1]):
        if len(bare) == 1 or bare[-2] == ".":
            return False
        return not is_upper(bare[-1]) or is_upper(bare[-2])
    if is_digit(bare[-1]):
        return split.ordinals
    return is_edge(bare[-1]) or bare[-1] in "—–%²+-"


def split_core(word: str, split: SplitRules) -> list[str]:
    parts, start, i = [], 0, 0
    while i < len(word):
        cut = cut_at(word, start, i, split)
        if cut is None:
            i += 1
            continue
        low, high = cut
        parts += [word[start:low], word[low:high]]
        start = high
        i = max(i + 1, start)
    return [*parts, word[start:]]


def cut_at(word: str, start: int, i: int, split: SplitRules) -> tuple[int, int] | None:
    char = word[i]
    before, behind = word[i - 1] if i else "", word[i + 1] if i + 1 < len(word) else ""
    suffix = is_edge(char) or char in "—–"
    if is_single(char) or category(char) == "So" or char == "…":
        return i, i + 1
    if suffix and ((before and is_single(before)) or (before and behind and is_single(behind))):
        return i, i + 1
    if not before or not behind:
        return None
    if char == ".":
        run = len(re.match(r"\.+", word[i:]).group())
        if run > 1:
            return i, i + run
        short = i - 1 == start or word[i - 2] == "."
        return (i, i + 1) if is_alpha(before) and not is_upper(before) and is_upper(behind) and not short else None
    if char in "'’":
        return cut_apostrophe(word, start, i)
    if char in "-–—~" and is_alpha(before):
        run = len(re.match(re.escape(char) + "+", word[i:]).group())
        after = word[i + run : i + run + 1]
        return (i, i + run) if after and is_alpha(after) and run <= 3 and (split.hyphens or run > 1) else None
    if char in "+-*^" and is_digit(before):
        return (i, i + 1) if is_digit(behind) or behind == "-" else None
    if char == "," and is_alpha(before) and is_alpha(behind):
        return i, i + 1
    if char in ":<>=/" and (is_alpha(before) or is_digit(before)) and is_alpha(behind):
        return i, i + 1
    return None


def cut_apostrophe(word: str, start: int, i: int) -> tuple[int, int] | None:
    head_start, right = i, i + 1
    while head_start > start and is_alpha(word[head_start - 1]):
        head_start -= 1
    while right < len(word) and is_alpha(word[right]):
        right += 1
    head, tail = word[head_start:i], word[i + 1 : right]
    if not head or not tail or not is_alpha(word[i - 1]):
        return None
    if tail.isascii() and tail.lower() in ("s", "m", "d", "ll", "re", "ve"):
        return i, i
    if tail in ("t", "T") and head[-1] in "nN" and i - 1 > start:
        return i - 1, i - 1
    return (i + 1, i + 1) if len(head) <= 2 or head[-2:] in ("ll", "lL", "Ll", "LL") else None


def visible(text: str) -> str:
    """The text as a reader sees it: without invisible characters and blanks at the ends of lines, blanks as spaces."""
    blanks = "".join(
        {chr(i) for i in range(0x3001) if chr(i).isspace()} - set("\n\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")
    )
    shown = "".join(char for char in text if char not in "\u00ad\u200b\u2060\ufeff")
    lines = "\n".join(line.rstrip(blanks) for line in shown.split("\n"))
    return "".join(" " if char in blanks and ord(char) >= 0x80 else char for char in lines)


def share(part: float, total: float) -> float:
    return part / total if total else 0.0


def repeated(items: list[str]) -> list[str]:
    """Items that equal an earlier one."""
    seen, again = set(), []
    for item in items:
        if item in seen:
            again.append(item)
        seen.add(item)
    return again


def top_gram(words: list[str], n: int) -> int:
    grams = Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))
    if not grams:
        return 0
    gram, times = grams.most_common(1)[0]
    return times * len(" ".join(gram)) if times > 1 else 0


def dup_gram(words: list[str], n: int) -> int:
    seen, chars, i = set(), 0, 0
    while i + n <= len(words):
        gram = tuple(words[i : i + n])
        if gram in seen:
            chars += len("".join(gram))
            i += n
        else:
            seen.add(gram)
            i += 1
    return chars


def line_verdict(line: str, rules: dict) -> tuple[str, bool, bool]:
    """Verdict on a stripped line: (rule or "kept", has lorem ipsum, has a curly bracket)."""
    words, lower = line.split(), line.lower()
    if rules["max_word_length"] >= 0 and any(len(w) > rules["max_word_length"] for w in words):
        return "max_word_length", False, False
    bare = CITATION.sub("", line) if rules["citations"] else line
    if rules["terminal_punctuation"] and (not bare.endswith(tuple(MARKS_AFTER)) or bare.endswith("...")):
        return "terminal_punctuation", False, False
    if len(words) < rules["min_words"]:
        return "min_words_per_line", False, False
    lorem = "lorem ipsum" in lower
    if rules["javascript"] and "javascript" in lower:
        return "javascript", lorem, False
    return ("policy" if any(p in lower for p in rules["policies"]) else "kept"), lorem, "{" in line


def sentences(line_tokens: list[str]) -> int:
    """Sentences among tokens: a new one starts with a word behind a terminal mark."""
    count, ended = (1 if line_tokens else 0), False
    for token in line_tokens:
        if token in TERMINAL:
            ended = True
        elif ended and not all(category(c)[0] == "P" for c in token):
            count, ended = count + 1, False
    return count


def c4(text: str, rules: dict, split: SplitRules) -> dict:
    total = kept = nonblank = 0
    lorem = curly = False
    for line in map(str.strip, text.splitlines()):
        nonblank += bool(line)
        verdict, has_lorem, has_curly = line_verdict(line, rules)
        lorem, curly = lorem or has_lorem, curly or has_curly
        if verdict == "kept" and line:
            kept += 1
            bare = CITATION.sub("", line) if rules["citations"] else line
            total += sentences([token for _, token in tokens(bare, split)])
    return {
        "c4_sentences": total,
        "c4_kept_line_ratio": share(kept, nonblank),
        "c4_lorem_ipsum": lorem,
        "c4_curly_bracket": curly,
    }


def clean(text: str, rules: dict) -> str:
    lines = [line.strip() for line in text.splitlines()]
    kept = [line for line in lines if line_verdict(line, rules)[0] == "kept"]
    return "\n".join(CITATION.sub("", line) if rules["citations"] else line for line in kept).strip()


RULES = {
    "terminal_punctuation": False,
    "min_words": 3,
    "max_word_length": 1000,
    "citations": True,
    "javascript": True,
    "policies": (),
}


def signals(text: str, stop_words=(), split: SplitRules = PLAIN, rules: dict = RULES) -> dict:
    """Every signal of one text (c4_bad_words apart)."""
    text = visible(text)
    words = [token for _, token in tokens(text, split)]
    real = [w for w in words if not all(is_symbol(c) for c in w)]
    cut = text.splitlines()
    lines = text.split("\n")
    nonblank = [line for line in lines if line.strip()]
    pieces = re.split(r"\n+", text) if text else []
    paragraphs = re.split(r"\n{2,}", text.strip()) if text.strip() else []
    n = len(text)
    different = dict.fromkeys(w.lower() for w in stop_words)
    spelled = [{s.replace("'", q) for s in (w, w.capitalize(), w.upper()) for q in "'’"} for w in different]
    letters = [c for c in text if is_alpha(c)]
    return {
        "word_count": len(real),
        "mean_word_length": share(sum(map(len, real)), len(real)),
        "hash_ratio": share(text.count("#"), len(words)),
        "ellipsis_ratio": share(text.count("...") + text.count("…"), len(words)),
        "bullet_line_ratio": share(sum(s.lstrip().startswith(("•", "-")) for s in cut), len(cut)),
        "ellipsis_line_ratio": share(sum(s.rstrip().endswith(("...", "…")) for s in cut), len(cut)),
        "alpha_word_ratio": share(sum(any(map(is_alpha, w)) for w in words), len(words)),
        "stop_word_count": sum(any(w in words for w in forms) for forms in spelled),
        "dup_line_frac": share(len(repeated(pieces)), len(pieces)),
        "dup_para_frac": share(len(repeated(paragraphs)), len(paragraphs)),
        "dup_line_char_frac": share(len("".join(repeated(pieces))), n),
        "dup_para_char_frac": share(len("".join(repeated(paragraphs))), n),
        **{f"top_{k}_gram": share(top_gram(words, k), n) for k in (2, 3, 4)},
        **{f"dup_{k}_gram": share(dup_gram(words, k), n) for k in range(5, 11)},
        "line_punct_ratio": share(sum(line[-1] in TERMINAL for line in nonblank), len(nonblank)),
        "short_line_ratio": share(sum(len(line) <= 30 for line in nonblank), len(nonblank)),
        "char_dup_ratio": share(len("".join(repeated(nonblank))), len(text.replace("\n", ""))),
        "new_line_ratio": share(text.count("\n"), len(words)),
        **c4(text, rules, split),
        "max_word_length": max([len(c) for _, c in chunks(text)], default=0),
        "char_count": n,
        "line_count": len(nonblank),
        "upper_ratio": share(sum(map(is_upper, letters)), len(letters)),
        "digit_ratio": share(sum(map(is_digit, text)), n),
    }
