"""Where the result of a job is looked at: a page and the link of its view."""

from __future__ import annotations

from dataclasses import dataclass

from core.services.jobs import JobStatus
from pages.parts import builds, cached


@dataclass(frozen=True, slots=True)
class Result:
    """A button's words, and the page with the parameters that it opens."""

    label: str
    page: str
    params: dict[str, str]


def of(job: JobStatus) -> Result | None:
    """What a job that ended well has made; None where no page shows it."""
    given = builds.options(job)
    ready = {row["locator"] for row in cached.dataset_rows() if row["state"] == "ready"}
    made = _OF.get(job.arguments[0] if job.arguments else "")
    found = made(given) if made else None
    if found is None or found.params.get("dataset", next(iter(ready), "")) not in ready:
        return None
    return found


def _build(given: dict[str, str]) -> Result | None:
    wanted = {"dataset": "--dataset", "encoders": "--encoders", "index": "--index"}
    made = {name: given[option] for name, option in wanted.items() if option in given}
    return Result("Compare", "pages/compare.py", made) if "dataset" in made else None


def _evaluate(given: dict[str, str]) -> Result | None:
    name = given.get("--name", "latest")
    return Result("Open the result", "pages/metrics.py", {"report": name})


def _map(given: dict[str, str]) -> Result | None:
    if "--encoders" not in given or "--dataset" not in given:
        return None
    params = {"dataset": given["--dataset"], "encoders": given["--encoders"]}
    return Result("Open the map", "pages/map.py", params)


def _train(given: dict[str, str]) -> Result | None:
    run = given.get("--resume")
    return Result("Open the run", "pages/train.py", {"run": run}) if run else None


def _lab(given: dict[str, str]) -> Result | None:
    if "--dataset" not in given or "--encoder" not in given:
        return None
    params = {"dataset": given["--dataset"], "encoder": given["--encoder"]}
    return Result("Open the lab", "pages/index_lab.py", params)


def _download(given: dict[str, str]) -> Result | None:
    return Result("Library", "pages/library.py", {})


_OF = {
    "build": _build,
    "evaluate": _evaluate,
    "map": _map,
    "train": _train,
    "tune": _lab,
    "download": _download,
}
