"""What the source of a library names, without importing the library: timm and torchvision bring
torch along, seconds and a quarter of a gigabyte to hear that a name is misspelt."""

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

WORD = re.compile(r"[a-z0-9_]+")
MODEL = re.compile(r"^def ([a-z0-9_]+)\(", re.MULTILINE)
QUOTED = re.compile(r"""['"]([a-z0-9_]+)[.'"]""")
WEIGHTS = re.compile(r"""['"](([a-z0-9_]+)\.(?!untrained)[a-z0-9_]+)['"]:""")


def mentioned(package: str, name: str) -> bool:
    """Whether the source of the package's models has a function of this architecture, or its name
    in quotes as a former one, and the tag as a word: else the package knows no such name."""
    architecture, _, tag = name.partition(".")
    models, words = _found(package)
    return architecture in models and (not tag or tag in words)


@cache
def listed(package: str) -> tuple[str, ...]:
    """The names ``architecture.tag`` that the source spells out: nearly all, and nearly only those
    with weights."""
    text = "\n".join(_texts(package))
    models = set(MODEL.findall(text))
    return tuple(name for name, model in WEIGHTS.findall(text) if model in models)


@cache
def _found(package: str) -> tuple[frozenset[str], frozenset[str]]:
    """Names of functions and what stands in quotes; every word in lower case."""
    text = "\n".join(_texts(package))
    models = {*MODEL.findall(text), *QUOTED.findall(text)}
    return frozenset(models), frozenset(WORD.findall(text.lower()))


def _texts(package: str) -> list[str]:
    spec = find_spec(package)
    if spec is None or not spec.origin:
        return []
    models = Path(spec.origin).parent / "models"
    return [file.read_text("utf-8") for file in sorted(models.rglob("*.py"))]
