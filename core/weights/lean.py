"""timm and torchvision without torch's compiler: both import it for a single decorator, and nothing
here compiles.

It brings sympy, Triton and torch's distributed package along: 1.1 s and 145 MB of every server and
every build.
"""

import sys
import threading
from types import ModuleType
from typing import Any

COMPILER = "torch._dynamo"
_lock = threading.Lock()


def load() -> None:
    """Import torchvision and timm, unless that has happened. The compiler can be imported
    afterwards as ever."""
    with _lock:
        if COMPILER in sys.modules or ("timm" in sys.modules and "torchvision" in sys.modules):
            return
        import torch.compiler

        compiler: Any = ModuleType(COMPILER)
        utils: Any = ModuleType(f"{COMPILER}.utils")
        compiler.__path__, utils.is_compile_supported = [], lambda device: False
        disable = torch.compiler.disable
        sys.modules.update({COMPILER: compiler, utils.__name__: utils})
        torch.compiler.disable = _as_it_is
        try:
            import timm  # noqa: F401
            import torchvision  # noqa: F401
        finally:
            torch.compiler.disable = disable
            for name in (COMPILER, utils.__name__):
                sys.modules.pop(name, None)


def _as_it_is(function=None, recursive: bool = True, *, reason: str | None = None):
    """Stands for ``torch.compiler.disable``: what is never compiled need not be kept from it."""
    return function if function is not None else lambda decorated: decorated
