"""Where the result of a job is looked at: a page and the link of its view."""

from dataclasses import dataclass

from core.services.jobs import JobStatus
from pages.parts import builds, cached, given


@dataclass(frozen=True, slots=True)
class Result:
    """A button's words, and the page with the parameters that it opens."""

    label: str
    page: str
    params: dict[str, str]


def of(job: JobStatus) -> Result | None:
    """What a job that ended well has made; None where no page shows it."""
    told = builds.options(job)
    ready = {row["locator"] for row in cached.dataset_rows() if row["state"] == "ready"}
    made = _OF.get(job.arguments[0] if job.arguments else "")
    found = made(told) if made else None
    if found is None or found.params.get("dataset", next(iter(ready), "")) not in ready:
        return None
    if "dataset" in found.params:
        found.params["dataset"] = given.public_name(found.params["dataset"])
    return found


def _build(told: dict[str, str]) -> Result | None:
    wanted = {"dataset": "--dataset", "encoders": "--encoders", "index": "--index"}
    made = {name: told[option] for name, option in wanted.items() if option in told}
    return Result("Compare", "pages/compare.py", made) if "dataset" in made else None


def _evaluate(told: dict[str, str]) -> Result | None:
    name = told.get("--name", "latest")
    return Result("Open the result", "pages/metrics.py", {"report": name})


def _map(told: dict[str, str]) -> Result | None:
    if "--encoders" not in told or "--dataset" not in told:
        return None
    params = {"dataset": told["--dataset"], "encoders": told["--encoders"]}
    return Result("Open the map", "pages/map.py", params)


def _train(told: dict[str, str]) -> Result | None:
    run = told.get("--resume")
    return Result("Open the run", "pages/train.py", {"run": run}) if run else None


def _lab(told: dict[str, str]) -> Result | None:
    if "--dataset" not in told or "--encoder" not in told:
        return None
    params = {"dataset": told["--dataset"], "encoder": told["--encoder"]}
    return Result("Open the lab", "pages/index_lab.py", params)


def _download(told: dict[str, str]) -> Result | None:
    return Result("Library", "pages/library.py", {})


_OF = {
    "build": _build,
    "evaluate": _evaluate,
    "map": _map,
    "train": _train,
    "tune": _lab,
    "download": _download,
}
