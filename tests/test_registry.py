"""The list of what registers itself is whole for whoever asks, however many ask while it is
made."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

from core.registry import Registry


def test_whoever_asks_first_or_meanwhile_sees_all_of_it(tmp_path, monkeypatch):
    package = tmp_path / "slow_siblings"
    package.mkdir()
    (package / "__init__.py").write_text("")
    for name in ("one", "two"):
        (package / f"{name}.py").write_text(
            "import time\ntime.sleep(0.3)\nfrom slow_siblings_list import"
            f" things\nthings.add({name!r}, lambda: {name!r})\nassert {name!r} in things.names()\n"
        )
    (tmp_path / "slow_siblings_list.py").write_text(
        "from core.registry import Registry\nthings = Registry('thing', 'slow_siblings')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import slow_siblings_list

    things: Registry[str] = slow_siblings_list.things
    try:
        with ThreadPoolExecutor(4) as askers:
            answers = list(askers.map(lambda _: things.names(), range(4)))
        assert answers == [["one", "two"]] * 4
        assert things.get("two") == "two"
    finally:
        for name in [name for name in sys.modules if name.startswith("slow_siblings")]:
            del sys.modules[name]


def test_a_finder_that_is_last_is_asked_after_those_that_came_later():
    found = Registry("thing", "tests")
    found._imported = True
    found.add_finder(list, lambda name: f"last {name}", last=True)
    found.add_finder(list, lambda name: "own" if name == "a" else None)
    assert (found.get("a"), found.get("b")) == ("own", "last b")
