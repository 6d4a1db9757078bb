"""Bytes that nobody said the encoding of: the reading most like words, by its characters."""

import unicodedata
from collections.abc import Sequence

ZIP_NAMES = {
    "utf-8": 0.25,
    "cp437": 0.0,
    "cp932": 0.0,
    "gbk": 0.0,
    "cp866": 0.0,
    "cp850": 0.0,
    "cp1252": 0.0,
    "cp1251": 0.0,
}
"""Encodings that programs write into zips without a mark, and how much each is preferred where two
read alike well. UTF-8 is hard to hit by chance; of the rest the first wins a draw."""
TABLES = {
    "cp1252": 0.4,
    "cp932": 0.2,
    "gbk": 0.2,
    "cp1251": 0.2,
    "cp1250": 0.0,
    "mac_roman": 0.0,
    "cp437": 0.0,
    "cp866": 0.0,
}
"""The same for tables that are no UTF-8: what spreadsheets write on Windows comes first."""
TITLES = {
    "utf-8": "UTF-8",
    "utf-16": "UTF-16",
    "utf-32": "UTF-32",
    "cp437": "CP437",
    "cp932": "Shift-JIS",
    "gbk": "GBK",
    "cp866": "CP866",
    "cp850": "CP850",
    "cp1252": "Windows-1252",
    "cp1251": "Windows-1251",
    "cp1250": "Windows-1250",
    "mac_roman": "Mac Roman",
}
CERTAIN = 0.9
"""How likely another reading of valid UTF-8 has to be before it is taken."""
JUDGED = 2000
"""Samples that are judged; every one has to decode."""
SIGNS = frozenset("€£§°©®™«»„“”‘’–—…•")
"""No letters, but at home in texts of the encodings that have them."""
OPENING = frozenset("«„“‘")


def likeliest(samples: Sequence[bytes], encodings: dict[str, float]) -> str | None:
    """The encoding that decodes every sample without loss and reads most like words; None where
    none decodes them all.

    ``encodings`` are candidates with a preference that is added to a likeliness from 0 to 1.
    """
    best, highest = None, -1.0
    for encoding, preference in encodings.items():
        try:
            texts = [sample.decode(encoding) for sample in samples]
        except UnicodeDecodeError:
            continue
        score = likeliness(texts[:JUDGED], encoding) + preference
        if score > highest:
            best, highest = encoding, score
    return best


def utf8_or(samples: Sequence[bytes], encodings: dict[str, float]) -> str:
    """UTF-8, for samples that are valid so, unless by chance and another reads as words."""
    if not by_chance([sample.decode() for sample in samples]):
        return "utf-8"
    other = likeliest(
        samples, {name: liked for name, liked in encodings.items() if name != "utf-8"}
    )
    if (
        other is None
        or likeliness([sample.decode(other) for sample in samples[:JUDGED]], other) < CERTAIN
    ):
        return "utf-8"
    return other


def by_chance(texts: Sequence[str]) -> bool:
    """Whether texts that were read as UTF-8 may be so by chance: most of their words are of two
    alphabets.

    Two letters of GBK may be valid UTF-8, but for letters that stand together in no word.
    """
    words = [word for text in texts if not text.isascii() for word in _together(text)]
    return bool(words) and 2 * sum(_alphabets(word) > 1 for word in words) >= len(words)


def _together(text: str) -> list[str]:
    """Letters together that are two bytes each in UTF-8; nothing where any takes more."""
    if any(char > "\u07ff" for char in text):
        return []
    kept = (char if char >= "À" and unicodedata.category(char)[0] in "LM" else " " for char in text)
    return [word for word in "".join(kept).split() if len(word) > 1]


def _alphabets(word: str) -> int:
    # at home in any alphabet
    letters = (char for char in word if unicodedata.category(char) not in ("Lm", "Mn"))
    return len({unicodedata.name(char, "").partition(" ")[0] for char in letters})


def likeliness(texts: Sequence[str], encoding: str) -> float:
    """From 0 (noise) to 1 (words): the mean over characters beyond ASCII, 1 without any."""
    weights = [
        _weight(text[place - 1 : place], char, text[place + 1 : place + 2], encoding)
        for text in texts
        if not text.isascii()
        for place, char in enumerate(text)
        if not char.isascii()
    ]
    return sum(weights) / len(weights) if weights else 1.0


def _weight(before: str, char: str, after: str, encoding: str) -> float:
    """How well a character stands between its neighbours (empty at the ends)."""
    code, kind = ord(char), unicodedata.category(char)
    if kind in ("Cc", "Cn", "Co", "Cs"):
        return 0.0
    if encoding == "utf-8" and 0x800 <= code < 0x20000:
        return 1.0  # three or four bytes that fit one another by chance are rare
    if kind == "Mn":
        return 1.0 if before.isalpha() else 0.0
    if encoding == "utf-8" and (0xA1 <= code <= 0xBF or char == "μ"):
        return 0.8  # degrees, fractions, powers, millionths: signs that any text may have
    if kind[0] != "L":
        if before.isalpha() and after.isalpha() and char not in "’–—":
            return 0.0
        misplaced = (char in OPENING and before.isalpha()) or (char in "€£" and after.isalpha())
        return 0.7 if char in SIGNS and not misplaced else 0.5 if kind == "No" else 0.2
    return _letter(before, char, after, encoding)


def _letter(before: str, char: str, after: str, encoding: str) -> float:
    code = ord(char)
    beside_latin = _is_latin(before) or _is_latin(after)
    jumps = (before.islower() and char.isupper()) or (char.islower() and after.isupper())
    if _is_latin(char):  # western words are mostly ASCII
        return 0.2 if jumps else 1.0 if _is_ascii_letter(before) or _is_ascii_letter(after) else 0.5
    if 0x386 <= code <= 0x45F:  # Greek and Cyrillic: no Latin letters in their words
        # as signs of mathematics in CP437
        if beside_latin or jumps or (code < 0x400 and encoding != "utf-8"):
            return 0.2
        alone = not (before.isalpha() or after.isalpha())
        return (
            0.6 if alone or char in "ЪъЁё" or code in range(0x400, 0x410) or code > 0x44F else 1.0
        )
    if 0x3041 <= code <= 0x30FF or 0xAC00 <= code <= 0xD7A3:
        return 1.0
    if 0x4E00 <= code <= 0x9FFF:
        inside_a_word = _is_ascii_letter(before) and _is_ascii_letter(after)
        return (1.0 if _is_common(char, encoding) else 0.4) * (0.3 if inside_a_word else 1.0)
    rare_latin = code < 0x2B0 and (_is_ascii_letter(before) or _is_ascii_letter(after))
    return 0.9 if encoding == "utf-8" and (rare_latin or 0x530 <= code < 0x800) else 0.2


def _is_ascii_letter(char: str) -> bool:
    return char.isascii() and char.isalpha()


def _is_latin(char: str) -> bool:
    return _is_ascii_letter(char) or "À" <= char <= "ſ"


def _is_common(char: str, encoding: str) -> bool:
    """Whether a character is of the first level of its standard: those in everyday use."""
    data = char.encode(encoding)
    if encoding == "cp932":
        return b"\x88\x9f" <= data <= b"\x98\x72"
    return encoding != "gbk" or (0xB0 <= data[0] <= 0xD7 and data[1] >= 0xA1)
