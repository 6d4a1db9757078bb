"""The help of every command: its examples are real."""

from __future__ import annotations

import re
import shlex
import signal

import pytest

from core.cli.main import main, parser
from core.services.naming import split_names


def commands() -> dict:
    """Name -> its own parser."""
    (action,) = [action for action in parser()._actions if action.dest == "command"]
    return action.choices


def examples() -> list[str]:
    texts = [parser().format_help(), *(made.format_help() for made in commands().values())]
    return list(dict.fromkeys(line.strip() for text in texts for line in re.findall(r"^  python -m core.*$", text, re.M)))


def test_every_command_has_help_with_examples_and_json(capsys):
    assert set(QUICK) <= commands().keys()
    assert main(["--help"]) == 0
    top = capsys.readouterr().out
    assert "exit codes" in top
    for name, made in commands().items():
        text = made.format_help()
        assert "examples:" in text, name
        assert "--json" in text, name
        assert name in top


def words_of(example: str) -> list[str]:
    """Its arguments, without what the shell does with the output."""
    return shlex.split(example.removeprefix("python -m core ").partition(" > ")[0])


@pytest.mark.parametrize("example", examples())
def test_examples_are_well_formed(example):
    """With all their options known to the parser."""
    words = words_of(example)
    assert parser().parse_args(words).command == words[0]


QUICK = ("datasets", "encoders", "indexes", "build", "search", "compare", "vectors", "doctor")
"""The examples of the other commands take minutes or need what was made before: their own tests run them on less."""
NEEDS_A_FILE = ("photo.jpg", "a.png", "~/", ".npy", "--remove")


def runnable() -> list[str]:
    return [one for one in examples() if words_of(one)[0] in QUICK and not any(word in one for word in NEEDS_A_FILE)]


@pytest.mark.parametrize("example", runnable())
def test_examples_that_need_no_file_run(example, capsys):
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert main(words_of(example)) == 0
    finally:
        signal.signal(signal.SIGTERM, before)
    assert capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,b", ["a", "b"]), (" a , ,b,", ["a", "b"]), ("", []),
        ("r.x:pool=gem,size=288,hsv.1", ["r.x:pool=gem,size=288", "hsv.1"]), ("a.b:pca=4,c.d:pca=8", ["a.b:pca=4", "c.d:pca=8"]),
        ("a,size=3", ["a", "size=3"]), ("imported.x=y,a:p=1,imported.q=1", ["imported.x=y", "a:p=1", "imported.q=1"]),
    ],
)  # fmt: skip
def test_names_separated_by_commas(text, expected):
    assert split_names(text) == expected
