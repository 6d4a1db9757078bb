"""timm and torchvision without torch's compiler: both import it for a single decorator, and nothing
here compiles.

It brings sympy, Triton and torch's distributed package along: 1.1 s and 145 MB of every server and
every build. Nor does timm ask the hub for anything here (:mod:`core.encoders.hub` does): without
the client of the hub it is there 0.2 s earlier.
"""

import ctypes
import os
import sys
import threading
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

COMPILER, HUB = "torch._dynamo", "huggingface_hub"
LIBRARY = "libtorch_python.so"
"""What torch's own code lies in, with all that this one needs."""
_lock = threading.Lock()


def load() -> None:
    """Import torchvision and timm, once. The compiler can be imported afterwards."""
    with _lock:
        if COMPILER in sys.modules or ("timm" in sys.modules and "torchvision" in sys.modules):
            return
        import torch.compiler

        compiler: Any = ModuleType(COMPILER)
        utils: Any = ModuleType(f"{COMPILER}.utils")
        compiler.__path__, utils.is_compile_supported = [], lambda device: False
        disable = torch.compiler.disable
        sys.modules.update({COMPILER: compiler, utils.__name__: utils})
        hub: Any = sys.modules.get(HUB)
        sys.modules[HUB] = hub  # None: importing it fails, which timm allows for
        torch.compiler.disable = _as_it_is
        try:
            import timm  # noqa: F401
            import torchvision  # noqa: F401
        finally:
            torch.compiler.disable = disable
            for name in (COMPILER, utils.__name__, *(() if hub else (HUB,))):
                sys.modules.pop(name, None)


def hub() -> ModuleType:
    """The client of the hub, imported. Raises ImportError where it is not installed."""
    with _lock:  # no import fails because timm is imported without it just then
        return import_module(HUB)


def begin() -> None:
    """Have the system link torch's libraries in the background: a quarter of a second of another
    core, while this one imports other things. Python's own import would keep every thread from
    running meanwhile."""
    spec = find_spec("torch") if sys.platform == "linux" else None
    path = Path(spec.origin or "").parent / "lib" / LIBRARY if spec else None
    if path is None or not path.is_file():
        return
    link = ctypes.CDLL(None).dlopen  # called as any C function is: without Python's lock
    link.argtypes, link.restype = [ctypes.c_char_p, ctypes.c_int], ctypes.c_void_p
    what = os.fsencode(path), os.RTLD_LAZY
    threading.Thread(target=link, args=what, name="link torch", daemon=True).start()


def _as_it_is(function=None, recursive: bool = True, *, reason: str | None = None):
    """Stands for ``torch.compiler.disable``: what is never compiled need not be kept from it."""
    return function if function is not None else lambda decorated: decorated
