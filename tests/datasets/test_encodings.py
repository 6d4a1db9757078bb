"""What is valid UTF-8 is read as UTF-8: labels of every script, alone and as whole tables and
archives, mark or no mark."""

from __future__ import annotations

import random
import unicodedata

import pytest

from core.datasets.encodings import utf8_or
from core.datasets.tables import decoded
from core.datasets.zipped import Member, read_names

WORDS = {
    "German": "Kätzchen Übung Straße Ärger Öl FÜSSE GRÖSSE ö",
    "French": "Éléphant cœur Noël où ça À ÉTÉ l’été «oui»",
    "Spanish": "niño ÑANDÚ ¿qué? ¡Olé! pingüino Ávila",
    "Portuguese": "São ação coração maçã ÓRGÃO",
    "Nordic": "Å å ö ø ð Ålesund Þór smørrebrød ÆØÅ mökki",
    "Polish": "Łódź źrebię żółw GĘŚ ż żŻaba",
    "Czech": "kočka Žluťoučký kůň ČÁP ď ť ŽELVA",
    "Hungarian": "őz Űr gyűrűŰr ŐSZ",
    "Romanian": "șarpe țară Ștefan ȚARĂ",
    "Turkish": "İstanbul ışık ŞEHİR ğ Iğdır ş",
    "Baltic": "ėglė ąžuolas Šuo ķēniņš ŽĄSIS ģ",
    "Azerbaijani": "Ə şəkil ə",
    "Vietnamese": "mèo chó Hà Nội THƯ bò Đường MƯỜI thỏ",
    "phonetic": "ə ʃ ɹ ŋ ˈkæt",
    "Russian": "кот Собака ЯБЛОКО я Ё й Щ съезд",
    "Ukrainian": "їжак Їжа єнот Ґ і КИЇВ",
    "Serbian": "љубав Њива ЏЕП ћ",
    "Greek": "γάτα Ελλάδα ΣΚΥΛΟΣ ψ Ώρα Ω ά",
    "Chinese": "猫 狗 图片 苹果 貓 蘋果",
    "Japanese": "ねこ 猫 カタカナ 写真 ラーメン あ ｶﾅ",
    "Korean": "고양이 개 사과 뷁 ㅋㅋ",
    "Arabic": "قط كلب تفاحة أ گربه ہے",
    "Hebrew": "חתול כלב א שָׁלוֹם",
    "Hindi": "बिल्ली कुत्ता अ",
    "Thai": "แมว หมา ก",
    "Caucasian": "კატა ձուկ Ա ա",
    "emoji": "😀 🐱 ❤️ ☕ 👨‍👩‍👧 🇩🇪 ★ ✓",
    "signs": "30°C ½ m² 5µm 5μm € £ × ÷ · ª º ± ¥",
    "decomposed": unicodedata.normalize("NFD", "café München Å ñ ё й"),
}


def tables(script: str) -> list[list[str]]:
    """Every word alone, and a hundred tables of several."""
    rng, words = random.Random(script), WORDS[script].split()
    return [[word] for word in words] + [
        rng.choices(words, k=rng.randint(2, 9)) for _ in range(100)
    ]


def names_read(raw: list[bytes]) -> list[str]:
    members = [Member(name, 0, 0, 0, 1, 1, 0, 0, b"") for name in raw]
    read_names(members)
    return [member.name for member in members]


@pytest.mark.parametrize("script", WORDS)
def test_a_table_in_utf8_is_read_as_it_was_written(script):
    for words in tables(script):
        text = "path,label\n" + "".join(f"{n}.png,{word}\n" for n, word in enumerate(words))
        assert decoded(text.encode()) == (text, [])


@pytest.mark.parametrize("script", WORDS)
def test_one_stray_byte_changes_its_own_character_only(script):
    for words in tables(script):
        text = "path,label\n" + "".join(f"{n}.png,{word}\n" for n, word in enumerate(words))
        if sum(not char.isascii() for char in text) >= 2:
            read, remarks = decoded(text.encode() + b"x.png,ch\xe8vre\n")
            assert read == f"{text}x.png,chèvre\n"
            assert [where for where, _ in remarks] == [f"line {len(words) + 2}"]


@pytest.mark.parametrize("script", WORDS)
def test_names_in_utf8_are_read_as_they_were_written(script):
    for words in tables(script):
        names = [f"{word}/{number}.png" for number, word in enumerate(words)]
        assert names_read([name.encode() for name in names]) == names


@pytest.mark.parametrize("word", ["图片", "图片_猫"])
def test_letters_of_two_alphabets_in_one_word_are_another_encoding(word):
    raw = word.encode("gbk")
    assert raw.decode() != word, "valid UTF-8"
    assert names_read([raw, b"a.png"]) == [word, "a.png"]
    assert decoded(raw)[0] == word


def test_what_reads_as_no_words_either_way_stays_utf8():
    assert utf8_or(["ͼƬ - ʃͽ ϷЀ".encode()], {"utf-8": 0.0, "cp1252": 0.0}) == "utf-8"
