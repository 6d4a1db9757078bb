"""Tables as programs and people write them: every encoding, stray bytes, quotes, surplus cells, and
paths of Windows."""

from __future__ import annotations

import codecs
import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.datasets.manifest import Manifest
from core.datasets.tables import OPEN_QUOTE, STRAY_QUOTE, SURPLUS, decoded, parse_table
from core.errors import UserError
from tests.datasets.layouts import folder

NAMES = [f"{number}.png" for number in range(6)]


@pytest.fixture
def read(tmp_path):
    """A function from the bytes of a CSV to the data set; six pictures lie beside it, and three in
    ``in/``."""
    folder(tmp_path, [*NAMES, "in/0.png", "in/1.png", "in/2.png"])

    def reader(data: bytes | str) -> Manifest:
        (tmp_path / "m.csv").write_bytes(data if isinstance(data, bytes) else data.encode())
        return Manifest(tmp_path / "m.csv")

    return reader


def labels(dataset: Manifest) -> list[str | None]:
    return [item.label for item in dataset.items]


def remarks(dataset: Manifest) -> dict[str, str]:
    return {remark.id: remark.text for remark in dataset.remarks}


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (b"", "utf-8"),
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (b"", "utf-16-le"),
        (b"", "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ],
)
def test_every_unicode_encoding(read, mark, encoding, ending):
    rows = ["path\tlabel", "0.png\tcafé", "1.png\t猫", "2.png\tкот"]
    dataset = read(mark + ending.join(rows).encode(encoding))
    assert labels(dataset) == ["café", "猫", "кот"]
    assert dataset.remarks == ()


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ("cp1252", ["5 €", "Stühle", "“naïve”"]),
        ("latin-1", ["Stühle", "café", "größe"]),
        ("cp1251", ["кот", "Собака", "яблоко"]),
        ("cp932", ["猫", "ねこ", "写真"]),
        ("gbk", ["狗", "中文", "图片"]),
        ("mac_roman", ["café", "Übung", "größe"]),
        ("cp437", ["café", "größe", "Käse"]),
        ("cp866", ["кот", "Собака", "Ёлка"]),
    ],
)
def test_encodings_that_the_file_does_not_name(read, encoding, words):
    dataset = read(
        "path,label\n".encode(encoding)
        + "".join(f"{n}.png,{w}\n" for n, w in enumerate(words)).encode(encoding)
    )
    assert labels(dataset) == words
    assert list(remarks(dataset)) == ["line 2, line 3, line 4"]
    assert "no UTF-8" in dataset.remarks[0].text


def test_bytes_that_are_utf8_by_chance(read):
    assert labels(read("path,label\n0.png,图片\n".encode("gbk"))) == ["图片"]
    for word in (
        "é",
        "´",
        "30 °C",
        "½",
        "5 μm",
        "5 µm",
        "m²",
        "thư",
        "bức",
        "Ə",
        "şəkil",
        "Ελλάδα",
        "я",
        "·",
        "ñ",
    ):
        dataset = read(f"path,label\n0.png,{word}\n".encode())
        assert labels(dataset) == [word]
        assert dataset.remarks == ()


@pytest.mark.parametrize("bad", [0x80, 0x81, 0xE8, 0xFF])
def test_one_bad_byte_changes_no_other_label(read, bad):
    dataset = read(
        "path,label\n0.png,café\n1.png,dog\n2.png,ch".encode()
        + bytes([bad])
        + "vre\n3.png,猫\n".encode()
    )
    expected = bytes([bad]).decode("cp1252", "replace")
    assert labels(dataset) == ["café", "dog", f"ch{expected}vre", "猫"]
    assert [(where, expected in text) for where, text in remarks(dataset).items()] == [
        ("line 4", True)
    ]


def test_a_bad_character_in_utf16_is_told(read):
    data = "path,label\n0.png,a\n1.png,b\n".encode("utf-16").replace(
        "a\n1".encode("utf-16-le"), b"\x00\xd8\n\x001\x00"
    )
    dataset = read(data)
    assert labels(dataset) == ["\ufffd", "b"]
    assert list(remarks(dataset)) == ["line 2"]


@pytest.mark.parametrize(
    "data", [b"PK\x03\x04rest", b"\xd0\xcf\x11\xe0rest", b"PAR1rest", b"%PDF-1.7", b"\x1f\x8b\x08"]
)
def test_other_files_by_the_name_of_a_table(read, data):
    with pytest.raises(UserError, match="can't be read as CSV: it is"):
        _ = read(data).items


@pytest.mark.parametrize("sep", list(",;\t|"))
@pytest.mark.parametrize("quoted", [True, False])
@pytest.mark.parametrize("mark", ["", "\ufeff", "\n\n"])
def test_the_line_that_names_the_separator(read, sep, quoted, mark):
    line = f'"sep={sep}"' if quoted else f"sep={sep}"
    label = "a b".replace(" ", next(other for other in ",;" if other != sep))
    dataset = read(f"{mark}{line}\r\npath{sep}label\r\n0.png{sep}{label}\r\n")
    assert labels(dataset) == [label]
    assert dataset.remarks == ()


def test_an_open_quote_swallows_nothing(read):
    dataset = read(
        'path,label\n0.png,a\n1.png,"open\n2.png,c\n3.png,"d"\n4.png,"also open\n5.png,f\n'
    )
    assert labels(dataset) == ["a", "open", "c", "d", "also open", "f"]
    assert list(remarks(dataset)) == ["line 3, line 6"]
    assert OPEN_QUOTE in dataset.remarks[0].text


@pytest.mark.parametrize("rest", ['1.png,x"\n', '1.png,"\n', '1.png,x\n"2.png",y\n', '1.png,"x"\n'])
def test_an_open_quote_that_another_line_happens_to_close(read, rest):
    dataset = read('path,label\n0.png,"open\n' + rest)
    assert "1.png" in dataset.rows
    assert dataset.items[0].label == "open"
    assert "line 2" in dataset.remarks[0].id


def test_an_open_quote_in_a_line_with_too_many_cells_is_passed_over(read):
    dataset = read('path,label\n0.png,"red, shiny\n1.png,b\n')
    assert [item.id for item in dataset.items] == ["1.png"]
    assert [(one.id, one.reason) for one in dataset.skipped] == [("line 2", OPEN_QUOTE)]


def test_texts_of_several_lines_stay_whole(read):
    dataset = read(
        'path,label\n0.png,"two\nlines, and a comma"\n1.png,"a ""word"""\n2.png, "after a blank,'
        ' too"\n'
    )
    assert labels(dataset) == ["two\nlines, and a comma", 'a "word"', "after a blank, too"]
    assert dataset.remarks == ()


def test_stray_quotes_and_surplus_cells_are_told_with_their_lines(read):
    dataset = read(
        'path,label\n0.png,12" screen\n1.png,"12" screen"\n2.png,red, shiny\n3.png,x,,\n4.png\n'
    )
    assert labels(dataset) == ['12" screen', '12 screen"', "red", "x", None]
    assert remarks(dataset) == {"line 3": STRAY_QUOTE, "line 4": SURPLUS}


def test_empty_columns_of_spreadsheets(read):
    dataset = read("path,label,,\n0.png,a,,\n,,,\n1.png,b,,stray\n")
    assert labels(dataset) == ["a", "b"]
    assert remarks(dataset) == {"line 4": SURPLUS}
    between = read(",path,,label\n7,0.png,x,a\n")
    assert dict(between.items[0].attributes) == {"column 1": 7, "column 3": "x"}


def test_paths_of_windows(read):
    paths = [
        r"in\0.png",
        r".\in\1.png",
        r"C:\Users\me\2.png",
        r"\\host\share\3.png",
        r"in\9.png",
        r"..\..\x.png",
    ]
    dataset = read(
        "path,label\n"
        + "".join(f"{path},{label}\n" for path, label in zip(paths, "abcdef", strict=True))
    )
    assert [(item.id, item.label) for item in dataset.items] == [
        ("./in/1.png", "b"),
        ("in/0.png", "a"),
    ]
    reasons = {one.id: one.reason for one in dataset.skipped}
    assert "a path of Windows" in reasons[r"line 4: C:\Users\me\2.png"]
    assert "a path of Windows" in reasons[r"line 5: \\host\share\3.png"]
    assert "can't be opened" in reasons["line 6: in/9.png"]
    assert "below the folder" in reasons["line 7: ../../x.png"]
    assert list(remarks(dataset)) == ["line 2, line 3"]


def test_a_name_with_a_backslash_in_it_wins(read, tmp_path):
    folder(tmp_path, ["in\\0.png"])
    dataset = read("path,label\nin\\0.png,a\nin/0.png,b\n")
    assert [(item.id, item.label) for item in dataset.items] == [
        ("in/0.png", "b"),
        ("in\\0.png", "a"),
    ]
    assert dataset.remarks == ()


@given(
    st.lists(
        st.lists(st.text(max_size=6).filter(lambda text: "\0" not in text), min_size=2, max_size=2),
        max_size=6,
    )
)
def test_what_a_csv_writer_writes_is_read_as_it_was(rows):
    out = io.StringIO(newline="")
    csv.writer(out).writerows([["a", "b"], *rows])
    table = parse_table("t.csv", codecs.BOM_UTF8 + out.getvalue().encode("utf-8", "replace"))
    expected = [[cell.encode("utf-8", "replace").decode().strip() for cell in row] for row in rows]
    assert [list(row.values()) for _, row in table.rows] == [row for row in expected if any(row)]
    assert table.seen == len(table.rows)
    assert not table.remarks


@given(st.binary(max_size=60))
def test_any_bytes_are_a_text_or_an_answer(data):
    try:
        text, found = decoded(data)
    except ValueError:
        return
    text.encode()
    assert all(where.startswith("line ") for where, _ in found)
    try:
        table = parse_table("t.csv", data)
    except UserError:
        return
    assert table.seen == len(table.rows) + len(table.skipped)
