"""``doctor``: is everything here that the product needs?"""

import argparse

from core.cli.options import command
from core.cli.output import show
from core.errors import UserError
from core.services.doctor import examine


@command("""doctor
    Check packages, disk, hardware, encoders and caches.

    examples:
    doctor
    doctor --json
""")
def _doctor(options: argparse.Namespace) -> None:
    found = examine()
    show(options, found, ["check", "state", "detail"])
    broken = [row for row in found if row["state"] == "broken"]
    if broken:
        fixes = [row["fix"] for row in broken if row["fix"]]
        raise UserError(f"{len(broken)} of {len(found)} checks failed.", fix="; ".join(fixes))
