"""Every setting of a public server, in one table: name in the environment, default, effect."""

import os
from dataclasses import dataclass

from core.errors import UserError

SWITCH = "LOOKALIKE_HOSTED"
TOKEN = "LOOKALIKE_ADMIN_TOKEN"
"""Read where it is compared and nowhere else: no list of settings shows it."""
MIN_TOKEN = 16


@dataclass(frozen=True, slots=True)
class Setting:
    """``unit`` is said behind the value; ``lowest`` to ``highest`` are allowed."""

    name: str
    default: float
    unit: str
    about: str
    lowest: float = 0
    highest: float = 1e12

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return f"LOOKALIKE_{self.name.upper()}"


TABLE = (
    Setting(
        "visitor_hours",
        24,
        "h",
        "so long after the last visit a visitor's things are kept",
        0.01,
        24 * 366,
    ),
    Setting("visitor_pictures", 5_000, "pictures", "in all data sets of one visitor"),
    Setting("visitor_mb", 500, "MB", "on disk for one visitor: uploads, data sets and builds"),
    Setting(
        "visitor_zip_mb",
        200,
        "MB",
        "the largest upload of a visitor: a zip, a table with its pictures, vectors",
        1,
    ),
    Setting("visitor_uploads", 100, "pictures", "with which a visitor asked, kept at once", 1),
    Setting("visitor_jobs", 2, "jobs", "of one visitor at once, waiting ones included"),
    Setting("visitor_training", 0, "", "1 lets visitors train encoders", 0, 1),
    Setting("visitor_downloads", 0, "", "1 lets visitors fetch weights from the network", 0, 1),
    Setting("visitors_gb", 10, "GB", "on disk for all visitors together"),
    Setting(
        "cache_gb",
        20,
        "GB",
        "of what was built for the operator's data sets; beyond, the"
        " least recently used is deleted: it can be built again",
    ),
    Setting("running_jobs", 2, "jobs", "that run at the same time, of all visitors", 1, 64),
    Setting("queued_jobs", 20, "jobs", "that wait for their turn, of all visitors"),
    Setting(
        "model_mb",
        0,
        "MB",
        "of memory for encoders and vectors; beyond, the least recently"
        " used are released; 0 = no limit",
    ),
    Setting(
        "batch",
        16,
        "pictures",
        "of concurrent visitors that one call of an encoder takes together; 1 = one by one",
        1,
        256,
    ),
    Setting(
        "searches", 0, "searches", "of visitors at the same time; 0 = one more than there are cores"
    ),
    Setting("admin_tries", 5, "tries", "a minute at the operator's token, of all visitors", 1),
    Setting("admin_hours", 8, "h", "until an operator is a visitor again", 0.01, 24 * 31),
)
_named = {setting.name: setting for setting in TABLE}


def hosted() -> bool:
    """Whether strangers use this server: ``LOOKALIKE_HOSTED=1`` says so."""
    return os.environ.get(SWITCH, "") not in ("", "0")


def value(name: str) -> float:
    """A setting by its name in the table. Raises UserError: no number, or out of range."""
    setting = _named[name]
    given = os.environ.get(setting.variable, "").strip()
    if not given:
        return setting.default
    try:
        number = float(given)
    except ValueError:
        number = float("nan")
    if not setting.lowest <= number <= setting.highest:
        raise UserError(
            f"{setting.variable} is {given[:40]!r}.",
            f"A number from {setting.lowest:g} to {setting.highest:g}: {setting.about}.",
            "Correct it in the environment of the server, or unset it.",
        )
    return number


def rows() -> list[dict]:
    """Every setting: variable, value, default, unit, about. No secret is among them."""
    return [
        {
            "variable": one.variable,
            "value": value(one.name),
            "default": one.default,
            "unit": one.unit,
            "about": one.about,
        }
        for one in TABLE
    ]
