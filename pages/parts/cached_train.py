"""Caches of the Train page, see :mod:`pages.parts.cached`."""

import base64
import json

from core.services.library import models
from core.services.training import effect, plan, runs, train
from core.services.training.runs import RunStatus
from pages.parts import cached, caches


@caches.data(max_entries=2)
def recipes() -> list[dict]:
    return train.recipes(shipped=False)


@caches.data(max_entries=4, ttl=cached.SHORT)
def starts(kind: str) -> list[dict]:
    return plan.starts(kind)


@caches.resource(max_entries=40, ttl=30.0, show_spinner="Checking the network")
def planned(recipe: str, values: str, versions: tuple[str, ...]) -> plan.Plan:
    """What a run with these settings (JSON) would be. Raises UserError."""
    return plan.plan(recipe, json.loads(values))


@caches.data(max_entries=40)
def setting_rows(recipe: str, values: str) -> list[dict]:
    return plan.setting_rows(recipe, json.loads(values))


@caches.resource(max_entries=60)
def _follower(run: str) -> runs.Follower:
    return runs.Follower(runs.Run(run))


@caches.resource(max_entries=60, ttl=0.8)
def status(run: str) -> RunStatus:
    """Where a run stands; its log is read on from where it was left. Raises UserError."""
    return runs.status(run, _follower(run), cached.all_jobs())


@caches.data(max_entries=2, ttl=2.0)
def run_ids() -> list[str]:
    return runs.run_ids()


@caches.data(max_entries=100)
def told(run: str) -> dict:
    """The settings of a run. Raises UserError."""
    return runs.settings_of(run)


@caches.quick(max_entries=4, ttl=cached.SHORT, gallery=True)
def cards() -> list[dict]:
    """Every model card. Read them, never change them."""
    return models.cards()


@caches.resource(max_entries=20, ttl=2.0)
def effects(run: str) -> list[effect.Effect]:
    return effect.kept(run)


@caches.resource(max_entries=20, ttl=600.0, show_spinner="Drawing")
def drawn(
    locator: str, version: str, model: str, ids: tuple[str, ...]
) -> list[tuple[str, str, str, float]]:
    """Id, what the autoencoder saw, what it drew, the share explained. Raises UserError."""
    found = models.reconstructions(cached.dataset(locator), model, ids)
    return [(one.id, _uri(one.seen), _uri(one.drawn), one.explained) for one in found]


@caches.resource(max_entries=60, ttl=600.0, show_spinner="Looking at pairs")
def distances(
    locator: str, version: str, model: str, left: str, right: tuple[str, ...]
) -> list[models.Pair]:
    """One picture with each of others, by a siamese network. Raises UserError."""
    return models.distances(cached.dataset(locator), model, left, right)


def _uri(webp: bytes) -> str:
    return "data:image/webp;base64," + base64.b64encode(webp).decode()


def forget() -> None:
    """After a start, a stop, an end, an import or a deletion: ask again what there is."""
    for cache in (starts, planned, status, run_ids, told, cards, effects):
        cache.clear()
    cached.forget_builds()
