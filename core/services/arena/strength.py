"""From votes to a ranking: Bradley-Terry strengths with intervals and shared ranks, and how far
voters agree.

Bradley and Terry (1952): the chance that encoder i is preferred to j is
``1 / (1 + exp(s_j - s_i))``. A tie, and "neither fits", count as half a win for each. Fitted by
Newton's method with a small penalty, without which an encoder that never lost would be infinitely
strong; all samples at once, so that a room sees the result while it votes (``choix`` gives the same
strengths, one sample at a time).
Intervals resample voters and rounds independently (Owen, 2007): both stand for others that were not
asked. Agreement is Krippendorff's alpha for nominal choices.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.services.arena.ballots import CHOICES, Round, Vote

RESAMPLES, SEED, LEVEL = 1000, 0, 0.95
PENALTY, STEPS = 0.05, 30
"""``PENALTY / 2`` times the sum of squared strengths keeps them finite."""


@dataclass(frozen=True, slots=True)
class Strength:
    """``share``: the chance to be preferred to the average of the others, by the fitted strengths,
    with its 95 % interval; ``rank`` is shared where intervals of the difference hold zero.
    ``wins``, ``ties`` (with ``bad`` ones) and ``losses`` count votes."""

    encoder: str
    strength: float
    share: float
    low: float
    high: float
    rank: int
    wins: int
    ties: int
    losses: int


@dataclass(frozen=True, slots=True)
class Standing:
    """``alpha``: agreement between voters, 1 = all the same, 0 = as by chance; None where no round
    has two votes."""

    strengths: tuple[Strength, ...]
    votes: int
    voters: int
    rounds: int
    alpha: float | None


def standing(
    encoders: Sequence[str], rounds: dict[tuple[str, int], Round], votes: Sequence[Vote]
) -> Standing:
    """The ranking by all votes whose round is known.

    Args:
        rounds: (room, number) -> round.
    """
    kept = [one for one in votes if (one.room, one.number) in rounds]
    names = list(dict.fromkeys(encoders))
    games = np.array([_game(names, rounds[one.room, one.number], one) for one in kept], float)
    games = games.reshape(len(kept), 3)
    voters = _codes([one.voter for one in kept])
    asked = _codes([(one.room, one.number) for one in kept])
    fitted = _fitted(_wins(len(names), games, np.ones((1, len(kept)))))[0]
    samples = _fitted(_wins(len(names), games, _weights(voters, asked)))
    shares = _shares(fitted)
    low, high = _bounds(_shares(samples), shares)
    ranks = _ranks(fitted, samples)
    order = np.argsort(-fitted, kind="stable")
    strengths = tuple(
        Strength(
            names[e],
            float(fitted[e]),
            float(shares[e]),
            float(low[e]),
            float(high[e]),
            int(ranks[e]),
            *_record(e, games),
        )
        for e in order
    )
    people, many = len(set(voters.tolist())), len(set(asked.tolist()))
    return Standing(strengths, len(kept), people, many, agreement(kept))


def _game(names: list[str], asked: Round, one: Vote) -> tuple[int, int, float]:
    """Left, right, and how much of a win it was for the left."""
    score = {"left": 1.0, "right": 0.0}.get(one.choice, 0.5)
    return names.index(asked.one), names.index(asked.other), score


def _codes(values: Sequence) -> np.ndarray:
    known = {value: code for code, value in enumerate(dict.fromkeys(values))}
    return np.array([known[value] for value in values], np.int64)


def _weights(voters: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """How often each vote is in each sample, (RESAMPLES, votes): voters and rounds drawn with
    replacement; of one alone nothing is drawn."""
    if not len(voters):
        return np.zeros((0, 0))
    rng, weights = np.random.default_rng(SEED), np.ones((RESAMPLES, len(voters)))
    for codes in (voters, asked):
        size = int(codes.max()) + 1
        if size > 1:
            weights *= rng.multinomial(size, np.full(size, 1 / size), RESAMPLES)[:, codes]
    return weights


def _wins(count: int, games: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """How much each encoder won against each other one, (samples, count, count)."""
    wins = np.zeros((len(weights), count, count))
    for vote, (one, other, score) in enumerate(games):
        wins[:, int(one), int(other)] += weights[:, vote] * score
        wins[:, int(other), int(one)] += weights[:, vote] * (1 - score)
    return wins


def _fitted(wins: np.ndarray) -> np.ndarray:
    """Strengths (samples, count) from ``wins`` (samples, count, count)."""
    games, count = wins + wins.transpose(0, 2, 1), wins.shape[1]
    strengths, eye = np.zeros(wins.shape[:2]), np.eye(count)
    for _ in range(STEPS):
        chances = 1 / (1 + np.exp(strengths[:, None, :] - strengths[:, :, None]))
        slope = (wins - games * chances).sum(axis=2) - PENALTY * strengths
        curve = games * chances * (1 - chances)
        bend = (curve.sum(axis=2) + PENALTY)[:, :, None] * eye - curve
        step = np.linalg.solve(bend, slope[:, :, None])[:, :, 0]
        strengths += np.clip(step, -2, 2)
        if not len(step) or np.abs(step).max() < 1e-9:
            break
    return strengths


def _shares(strengths: np.ndarray) -> np.ndarray:
    """The mean chance of each to be preferred to another one, (..., e)."""
    chances = 1 / (1 + np.exp(strengths[..., None, :] - strengths[..., :, None]))
    count = strengths.shape[-1]
    return (chances.sum(axis=-1) - 0.5) / max(count - 1, 1)


def _bounds(samples: np.ndarray, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if not len(samples):
        return np.zeros_like(shares), np.ones_like(shares)
    edge = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(samples, (edge, 100 - edge), axis=0)
    return np.minimum(low, shares), np.maximum(high, shares)


def _ranks(fitted: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """1 + the encoders that are certainly preferred: more than 97.5 % of the samples say so."""
    if not len(samples):
        return np.ones(len(fitted), np.int64)
    above = (samples[:, :, None] > samples[:, None, :]).mean(axis=0) > 1 - (1 - LEVEL) / 2
    return 1 + (above & (fitted[:, None] > fitted[None, :])).sum(axis=0)


def _record(encoder: int, games: np.ndarray) -> tuple[int, int, int]:
    left, right = games[:, 0] == encoder, games[:, 1] == encoder
    scores = np.concatenate([games[left, 2], 1 - games[right, 2]])
    return int((scores == 1).sum()), int((scores == 0.5).sum()), int((scores == 0).sum())


def agreement(votes: Sequence[Vote]) -> float | None:
    """Krippendorff's alpha of nominal choices over the rounds that two or more voted on."""
    voters, asked = _codes([v.voter for v in votes]), _codes([(v.room, v.number) for v in votes])
    if not len(votes):
        return None
    table = np.full((voters.max() + 1, asked.max() + 1), np.nan)
    for one, voter, place in zip(votes, voters, asked, strict=True):
        table[voter, place] = CHOICES.index(one.choice)
    paired = table[:, (~np.isnan(table)).sum(axis=0) > 1]
    if not paired.size:
        return None
    values = paired[~np.isnan(paired)]
    if len(np.unique(values)) == 1:
        return 1.0
    import krippendorff

    return float(krippendorff.alpha(reliability_data=paired, level_of_measurement="nominal"))
