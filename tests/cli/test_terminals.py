"""Output never fails for where it goes: any encoding, any width, a reader that leaves, a stream
that is closed or full."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import unicodedata

import pytest

from core.cli import output
from core.cli.main import main
from tests.cli.test_help import commands
from tests.plugged import ROOT, numbered, paint

LABEL = "emoji \U0001f600"
NAMES = ["日本語.png", "e\u0301.png", "кот.png", "a\nb.png", "\u202egnp.png", "ok.png"]


@pytest.fixture
def odd(tmp_path):
    return paint(tmp_path / "odd", [f"{LABEL}/{name}" for name in NAMES])


@pytest.fixture
def shell(plugged):
    """Runs a line of the shell in which ``core`` is the command line; gives exit code, output,
    errors."""

    def run(line: str, **env: str) -> subprocess.CompletedProcess:
        line = line.replace("core ", f"'{sys.executable}' -m core ")
        return subprocess.run(
            ["bash", "-c", line],
            cwd=ROOT,
            env={**plugged.env, **env},
            capture_output=True,
            check=False,
        )

    return run


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "shift-jis", "utf-16", "utf-8"])
def test_what_an_encoding_lacks_is_written_as_an_escape(odd, encoding, monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding))
    told = [
        "search",
        "--dataset",
        str(odd),
        "--encoder",
        "tiny.16x16",
        "--query",
        f"id:{LABEL}/ok.png",
    ]
    assert main(told) == 0
    lines = written.getvalue().decode(encoding).splitlines()
    for name in (unicodedata.normalize("NFC", name) for name in NAMES[:3]):
        shown = "".join(
            c if c.encode(encoding, "ignore") else c.encode("unicode_escape").decode() for c in name
        )
        assert sum(shown in line for line in lines) == 1, name
    assert sum("a\\nb.png" in line for line in lines) == 1, "each on a line of its own"


def test_so_it_is_from_the_first_character_on(shell, odd):
    done = shell(f"core datasets --dataset '{odd}'", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stdout.isascii()) == (0, True), done.stderr


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("core encoders | true; exit ${PIPESTATUS[0]}", 0, ""),
        ("core --help | true; exit ${PIPESTATUS[0]}", 0, ""),
        ("core encoders >&-", 0, ""),
        ("core datasets --remove nothing 2>&-", 1, ""),
        pytest.param(
            "core encoders >/dev/full",
            1,
            "The output can't be written: No space left",
            marks=pytest.mark.skipif(
                not os.path.exists("/dev/full"), reason="this system has no full device"
            ),
        ),
    ],
)
def test_a_stream_that_is_closed_or_full_or_whose_reader_leaves(shell, line, code, said):
    done = shell(line)
    assert done.returncode == code
    assert (said or "Traceback") in (done.stderr.decode() or said or "Traceback")
    assert not any(
        word in done.stderr.decode()
        for word in ("Traceback", "Unexpected error", "Exception ignored")
    )


def test_work_goes_on_where_nobody_reads_its_progress_any_more(shell, plugged, tmp_path):
    """Standard error is a pipe that is closed before the first line is written to it."""
    folder = paint(tmp_path / "gallery", numbered(6))
    told = f"core build --dataset '{folder}' --encoders slow.test --json 2>&1 >/dev/null"
    done = shell(f"exec 3>&1; {{ {told}; echo code $? >&3; }} | true")
    assert done.stdout.decode().strip() == "code 0"
    assert len(plugged.encoded()) == 6


class Gone(io.StringIO):
    """A stream whose reader has left."""

    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")


def test_only_standard_output_stops_the_work(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Gone())
    with output.streams():
        print("progress", file=sys.stderr)
    monkeypatch.setattr(sys, "stdout", Gone())
    with pytest.raises(output.Unwritable), output.streams():
        print("a hit")
    assert main(["indexes"]) == 0, "a reader that has enough is no error"


@pytest.mark.parametrize("columns", ["0", "1", "7", "20", "80", "5000", "wide"])
def test_every_help_and_progress_fit_any_width(columns, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", columns)
    for name in commands():
        assert main([name, "--help"]) == 0
    assert "usage" in capsys.readouterr().out
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    progress = output.Progress("building 日本語\nof a set")
    for done in range(4):
        progress(done, 3)
    lines = capsys.readouterr().err.split("\r")[1:]
    assert lines
    room = 79 if columns in ("0", "wide") else max(int(columns), 20) - 1
    assert {output.cells_wide(line) for line in lines} == {room}


def test_columns_stand_in_line_under_wide_characters(capsys):
    output.table(
        [{"a": "日本", "b": 1}, {"a": "e\u0301x", "b": 2}, {"a": "plain", "b": 3}], ["a", "b"]
    )
    lines = capsys.readouterr().out.splitlines()
    assert {output.cells_wide(line) for line in lines} == {8}


def test_json_is_ascii_whatever_the_names(here, odd):
    code, out, _ = here("datasets", "--dataset", str(odd), "--json")
    assert (code, out.isascii(), json.loads(out)["labels"]) == (0, True, 1)
