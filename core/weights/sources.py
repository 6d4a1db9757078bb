"""What the source of a library names, without importing the library: timm and torchvision bring
torch along, seconds and a quarter of a gigabyte to hear that a name is misspelt."""

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

WORD = re.compile(r"[a-z0-9_]+")
MODEL = re.compile(r"^def ([a-z0-9_]+)\(", re.MULTILINE)
WEIGHTS = re.compile(r"""['"](([a-z0-9_]+)\.(?!untrained)[a-z0-9_]+)['"]:""")


def mentioned(package: str, name: str) -> bool:
    """Whether every word of ``architecture.tag`` stands in the source of the package's models: one
    that holds none of them knows no such name."""
    return set(name.split(".")) <= _words(package)


@cache
def listed(package: str) -> tuple[str, ...]:
    """The names ``architecture.tag`` that the source spells out: nearly all, and nearly only those
    with weights."""
    text = "\n".join(_texts(package))
    models = set(MODEL.findall(text))
    return tuple(name for name, model in WEIGHTS.findall(text) if model in models)


@cache
def _words(package: str) -> frozenset[str]:
    return frozenset(word for text in _texts(package) for word in WORD.findall(text.lower()))


def _texts(package: str) -> list[str]:
    spec = find_spec(package)
    if spec is None or not spec.origin:
        return []
    models = Path(spec.origin).parent / "models"
    return [file.read_text("utf-8") for file in sorted(models.rglob("*.py"))]
