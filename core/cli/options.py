"""A command declared by its help: its name, what it does, its options, examples. ::

    build
    Embed a dataset and index it.

    --dataset PATH_OR_NAME [required]
    --engine {local,ray}  who encodes [default: local]
    --objects N           so many boxes of each picture: a picture is found
                          by its best one [int, = 1]
    --check-content       read every picture first

    examples:
    build --dataset catalogue

An option begins with a dash; lines below it go on with its help. It takes a value where one is
named behind it. In brackets at its end stands what else holds: ``required``, ``many`` (may be
given several times), ``several`` (takes several values), ``hidden`` (not in the help), a type
(``int``, ``float``, or one of ``types``), and last ``default: X``, which the help tells, or
``= X``, which it does not.
"""

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from types import ModuleType
from typing import Any, NoReturn

DATASET = "--dataset PATH_OR_NAME [required]"
ENCODER = "--encoder NAME [required]"
ENCODERS = "--encoders NAMES  separated by commas [required]"
PICTURE = "--query FILE  a picture file, or id:NAME for a picture of the dataset"
PROTOCOL = "--protocol PROTOCOL  default: the data set's usual one"
K = "-k K  hits that count [int, default: 10]"
LOG = "--log LOG [hidden]"
"""Where a job writes its progress: for pages."""

KINDS: dict[str, dict[str, Any]] = {
    "required": {"required": True},
    "many": {"action": "append", "default": []},
    "several": {"nargs": "+"},
    "hidden": {"help": argparse.SUPPRESS},
    "int": {"type": int},
    "float": {"type": float},
}

OPTION = re.compile(
    r"(?P<names>-\S+(?: -\S+)*?)(?: (?P<value>[^\s\[-]\S*))?"
    r"(?:  +(?P<help>.*?))?(?: \[(?P<kinds>[^\]]*?),? ?(?P<default>(?:default:|=).*?)?\])?"
)

Options = argparse.ArgumentParser | argparse._ArgumentGroup


class Parser(argparse.ArgumentParser):
    """Says what was meant by a misspelt command or option, and shows the usage of the command
    that was asked for, not that of all. ``--encoders`` may stand for ``--encoder``, as argparse
    itself allows the reverse."""

    def parse_known_args(self, args=None, namespace=None):
        told = None if args is None else [self._singular(one) for one in args]
        found, unknown = super().parse_known_args(told, namespace)
        if unknown:
            given = next((one for one in unknown if one.startswith("--")), "")
            near = get_close_matches(given.partition("=")[0], self._option_string_actions, 1)
            self.error(f"unrecognized arguments: {' '.join(unknown)}{_meant(near)}")
        return found, unknown

    def _singular(self, word: str) -> str:
        name, joint, value = word.partition("=")
        known, one = self._option_string_actions, name.removesuffix("s")
        meant = name.startswith("--") and name not in known and one in known
        return f"{one}{joint}{value}" if meant else word

    def error(self, message: str) -> NoReturn:
        given, choices = re.findall(r"'([^']*)'", message), "(choose from " in message
        near = get_close_matches(given[0], given[1:], 1) if choices else []
        super().error(f"{message}{_meant(near)}")


def _meant(near: Sequence[str]) -> str:
    return f". Did you mean {near[0]}?" if near else ""


Run = Callable[[argparse.Namespace], None]
More = Callable[[argparse.ArgumentParser], None]
_declared: dict[str, list[tuple[Run, str, More | None]]] = {}
"""Of each module of commands."""


def command(text: str, also: More | None = None) -> Callable[[Run], Run]:
    """Declares the command that a function is; ``also`` adds options that a text can't say."""

    def declared(run: Run) -> Run:
        _declared.setdefault(run.__module__, []).append((run, text, also))
        return run

    return declared


def add_commands(commands: argparse._SubParsersAction, module: ModuleType) -> None:
    """The commands of a module, in their order there."""
    for run, text, also in _declared[module.__name__]:
        made = _command(commands, run, text)
        if also is not None:
            also(made)


def _command(commands: argparse._SubParsersAction, run: Run, text: str) -> argparse.ArgumentParser:
    """A sub-command as ``text`` declares it, with ``--json``; former names keep working."""
    names, _, rest = text.partition("\n")
    name, *former = names.split()
    told, _, examples = rest.partition("examples:\n")
    about, _, options = told.partition("\n\n")
    about = " ".join(about.split())
    shown = [f"  python -m core {' '.join(line.split())}" for line in examples.strip().split("\n")]
    made = commands.add_parser(
        name,
        help=about,
        description=about,
        epilog="\n".join(["examples:", *shown]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        aliases=former,
    )
    made.add_argument("--json", action="store_true", help="print JSON on standard output")
    made.set_defaults(do=run)
    declare(made, options)
    return made


def declare(made: Options, text: str, **types: Callable[[str], object]) -> None:
    """Add the options of ``text``."""
    for one in re.split(r"\n\s*(?=-)", "\n" + text.strip())[1:]:
        _add(made, re.sub(r"\s*\n\s*", " ", one), types)


def _add(made: Options, text: str, types: Mapping[str, Callable[[str], object]]) -> None:
    found = OPTION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} declares no option")
    names, value, about, kinds, default = found.groups(default="")
    more: dict[str, Any] = {"help": about or None}
    if value.startswith("{"):
        more["choices"] = value[1:-1].split(",")
    elif value:
        more["metavar"] = value
    else:
        more["action"] = "store_true"
    for kind in filter(None, kinds.split(", ")):
        more |= {"type": types[kind]} if kind in types else KINDS[kind]
    if default:
        more["default"] = default.partition(" ")[2]
    if default.startswith("default:"):
        more["help"] = f"{about} ({default})".strip()
    made.add_argument(*names.split(), **more)
