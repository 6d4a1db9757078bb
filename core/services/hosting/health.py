"""Whether the server can work, in a millisecond: for the address that a proxy or a container asks
again and again. The long examination is ``doctor``."""

import os
import shutil

from core import store

LEAST_FREE = 256 << 20


def quick() -> dict:
    """``status`` is ``ok`` or ``failing``; ``checks`` says of each check whether it is fine.
    Nothing in it tells of the server's places or versions."""
    home = store.base()
    try:
        free = shutil.disk_usage(home).free > LEAST_FREE
    except OSError:
        free = False
    checks = {"artifacts": os.access(home, os.W_OK), "disk": free}
    return {"status": "ok" if all(checks.values()) else "failing", "checks": checks}
