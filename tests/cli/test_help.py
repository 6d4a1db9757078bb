"""The help of every command: its examples are well formed. That they run is in test_examples.py."""

from __future__ import annotations

import re
import shlex
from functools import cache

import pytest

from core.cli.main import main, parser
from core.services.specs import split_names


@cache
def commands() -> dict:
    """Name -> its own parser."""
    (action,) = [action for action in parser()._actions if action.dest == "command"]
    return action.choices


@cache
def examples() -> list[str]:
    texts = [parser().format_help(), *(made.format_help() for made in commands().values())]
    return list(
        dict.fromkeys(
            line.strip()
            for text in texts
            for line in re.findall(r"^  python -m core.*$", text, re.M)
        )
    )


def test_every_command_has_help_with_examples_and_json(capsys):
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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,b", ["a", "b"]),
        (" a , ,b,", ["a", "b"]),
        ("", []),
        ("r.x:pool=gem,size=288,hsv.1", ["r.x:pool=gem,size=288", "hsv.1"]),
        ("a.b:pca=4,c.d:pca=8", ["a.b:pca=4", "c.d:pca=8"]),
        ("a,size=3", ["a", "size=3"]),
        ("imported.x=y,a:p=1,imported.q=1", ["imported.x=y", "a:p=1", "imported.q=1"]),
    ],
)
def test_names_separated_by_commas(text, expected):
    assert split_names(text) == expected
