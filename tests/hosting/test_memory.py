"""Few heaps, and what is free in them given back. In processes of their own: heaps are for good."""

import gc
import subprocess
import sys
import weakref

import pytest

from core.services.hosting import memory

pytestmark = pytest.mark.skipif(
    memory._of_glibc("malloc_info") is None, reason="the C library is not glibc"
)
HEAPS = """
import ctypes, sys, threading
from pathlib import Path
from core.services.hosting import memory
if sys.argv[1] == "few":
    assert memory.few_heaps()
count = 12
there = threading.Barrier(count)
def use():
    there.wait()
    bytearray(100_000)
    there.wait()
threads = [threading.Thread(target=use) for _ in range(count)]
[one.start() for one in threads]
[one.join() for one in threads]
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
file = libc.fopen(sys.argv[2].encode(), b"w")
libc.malloc_info(0, ctypes.c_void_p(file))
libc.fclose(ctypes.c_void_p(file))
print(Path(sys.argv[2]).read_text().count("<heap nr="))
"""
TRIM = """
from pathlib import Path
from core.services.hosting import memory
def mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6
held = [bytearray(b"x" * 100_000) for _ in range(600)]
pin = bytearray(b"x" * 100_000)
full = mb()
del held
memory.trim()
print(full - mb())
"""


def said(program: str, *given: str) -> float:
    ran = subprocess.run(
        [sys.executable, "-c", program, *given], capture_output=True, text=True, check=True
    )
    return float(ran.stdout)


def test_threads_share_two_heaps(tmp_path):
    many = said(HEAPS, "many", str(tmp_path / "many.xml"))
    few = said(HEAPS, "few", str(tmp_path / "few.xml"))
    assert few <= memory.HEAPS < many


def test_what_was_freed_goes_back_to_the_system():
    assert said(TRIM) > 40


def test_what_refers_to_itself_alone_is_let_go():
    class Page:
        pass

    page = Page()
    page.own, gone = page, weakref.ref(page)
    gc.disable()
    try:
        del page
        assert gone() is not None
        memory.collect()
    finally:
        gc.enable()
    assert gone() is None


def test_without_glibc_nothing_is_said(monkeypatch):
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: object())
    assert not memory.few_heaps()
    assert not memory.trim()
