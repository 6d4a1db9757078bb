"""``doctor``: is everything here that the product needs?"""

import argparse

from core.cli.output import command, emit, table
from core.errors import UserError
from core.services.doctor import examine


def add_commands(commands: argparse._SubParsersAction) -> None:
    command(
        commands,
        "doctor",
        _doctor,
        "Check packages, disk, hardware, encoders and caches.",
        "",
        "--json",
    )


def _doctor(options: argparse.Namespace) -> None:
    found = examine()
    if options.json:
        emit(found)
    else:
        table(found, ["check", "state", "detail"])
    broken = [row for row in found if row["state"] == "broken"]
    if broken:
        fixes = [row["fix"] for row in broken if row["fix"]]
        raise UserError(f"{len(broken)} of {len(found)} checks failed.", fix="; ".join(fixes))
