"""The help of every command: its examples are well formed. That they run is in test_examples.py."""

from __future__ import annotations

import argparse
import re
import shlex
from functools import cache

import pytest

from core.cli.main import main, parser
from core.cli.options import declare
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


NOTATION = """
    --first NAME  goes on
                  below [required]
    -k K          hits that count [int, default: 10]
    --way {fast,slow} [= slow]
    --each --one FIELD=VALUE  may come again [many]
    --files FILE [several]
    --edge x,y    of a box [edge, = 1,2]
    --empty TEXT [=]
    --none NAME
    --now         there or not
    --log LOG [hidden]
"""


def test_options_are_what_their_declaration_says():
    made = argparse.ArgumentParser()
    declare(made, NOTATION, edge=lambda text: tuple(map(int, text.split(","))))
    told = made.format_help()
    assert "--first NAME" in told
    assert "goes on below\n" in told
    assert "hits that count (default: 10)" in told
    assert "--way {fast,slow}\n" in told
    assert "--log" not in told
    least = vars(made.parse_args(["--first", "a"]))
    plain = {"first": "a", "k": 10, "way": "slow", "each": [], "files": None, "edge": (1, 2)}
    assert least == {**plain, "empty": "", "none": None, "now": False, "log": None}
    given = "--first a -k 3 --one a=1 --each b=2 --files x y --edge 3,4 --now --log l"
    more = vars(made.parse_args(given.split()))
    assert (more["k"], more["each"], more["files"]) == (3, ["a=1", "b=2"], ["x", "y"])
    assert (more["edge"], more["now"], more["log"]) == ((3, 4), True, "l")


@pytest.mark.parametrize("given", ["-k 1", "--first a -k x", "--first a --way middling"])
def test_options_refuse_what_they_do_not_allow(given, capsys):
    made = argparse.ArgumentParser()
    declare(made, NOTATION, edge=str)
    with pytest.raises(SystemExit):
        made.parse_args(given.split())
    assert "error" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["--name NAME OTHER", "--k K [whole]"])
def test_a_declaration_that_says_nothing_known_is_a_bug(text):
    with pytest.raises((ValueError, KeyError)):
        declare(argparse.ArgumentParser(), text)
