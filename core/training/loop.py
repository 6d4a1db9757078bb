"""The loop: batches in, better weights out; stopped and resumed anywhere with the same result."""

from __future__ import annotations

import logging
import time
import types
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from core.encoders.trained_networks import Blueprint, to_input
from core.errors import Cancelled, UserError
from core.training import runs, schedule
from core.training.batches import augmenter, epoch_batches, recoloured, steps_per_epoch
from core.training.losses import needs
from core.training.runs import LEARNING, Run
from core.training.settings import Settings
from core.training.sources import Source
from core.training.terms import Terms
from core.training.validate import validate
from core.types import Progress, report

log = logging.getLogger(__name__)


def keep_whole(network: torch.nn.Module) -> torch.nn.Module:
    """The network, each of its grouped convolutions left out of autocast from now on: on a CPU
    their backward pass in bf16 takes 2 to 15 times as long (``tools/bench/depthwise.py``), and
    EfficientNet is full of them. Copies of it behave alike."""
    for part in network.modules():
        if isinstance(part, torch.nn.Conv2d) and part.groups > 1:
            part.forward = types.MethodType(_in_float32, part)
    return network


def _in_float32(self: torch.nn.Conv2d, pixels: torch.Tensor) -> torch.Tensor:
    with torch.autocast(pixels.device.type, enabled=False):
        return type(self).forward(self, pixels.float())


@dataclass
class State:
    """Where a run stands: ``step`` steps are done. JSON as it is."""

    step: int = 0
    best: float = float("-inf")
    best_epoch: int = 0
    worse: int = 0
    seconds: float = 0.0
    scores: dict = field(default_factory=dict)
    finished: bool = False


class Trainer:
    """One run in this process.

    Args:
        network: what learns, with ``blueprint`` saying how its input is made.
        teacher: another network and its blueprint, where the loss asks for one.
    """

    def __init__(
        self,
        run: Run,
        settings: Settings,
        sources: Sequence[Source],
        network: torch.nn.Module,
        blueprint: Blueprint,
        teacher: tuple[torch.nn.Module, Blueprint] | None = None,
    ) -> None:
        self.run = run
        self.settings = settings
        self.sources = sources
        self.blueprint = blueprint
        self.teacher = teacher
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.network = network.to(self.device, memory_format=torch.channels_last)
        if self.device == "cpu":
            keep_whole(self.network)
        counts = [len(source.classes) for source in sources]
        taught = teacher[1].dim if teacher else 0
        self.terms = Terms(settings, counts, taught).to(self.device)
        self.optimiser = schedule.optimiser(self.network, self.terms, settings)
        self.average = schedule.averaged(self.network, settings.ema) if settings.ema else None
        self.augment = augmenter(settings.augment, settings.crop or settings.size, settings.paste)
        self.state, self.epoch_steps = State(), steps_per_epoch(sources, settings)
        self.total = self.epoch_steps * settings.epochs
        self._saved = time.monotonic()

    @property
    def parts(self) -> dict[str, torch.nn.Module]:
        return {
            "network": self.network,
            "terms": self.terms,
            **({"average": self.average} if self.average else {}),
        }

    @property
    def share(self) -> float:
        """Of the side of a square that is kept, how much the network sees; 1 = all."""
        return self.blueprint.size / (self.blueprint.resize or self.blueprint.size)

    @property
    def draws(self) -> bool:
        return self.settings.kind == "autoencoder"

    @property
    def kept(self) -> torch.nn.Module:
        """The network that is validated and kept: the averaged one where there is one."""
        return self.average.module if self.average else self.network

    def fit(self, progress: Progress | None = None) -> State:
        """Learn until the last epoch or until nothing gets better; goes on from the checkpoint
        where there is one.

        Raises:
            UserError: the loss is not a number any more, or the disk is full.
            Cancelled: ``progress`` said stop; a checkpoint is written first.
        """
        if self._resumed():
            self.run.rewind(self.state.step)
        elif (
            self.settings.start_from or not self.settings.neck
        ):  # an encoder already: training has to beat it
            self._validate(0)
        try:
            while not self.state.finished:
                self._epoch(self.state.step // self.epoch_steps, progress)
        except Cancelled:  # raised between two steps; anything else may come in the middle of one
            self._save()
            raise
        return self.state

    def _resumed(self) -> bool:
        """Take up the checkpoint, if any; a damaged one is put aside, and the log says so."""
        if not self.run.checkpoint.exists():
            return False
        try:
            self.state = State(
                **runs.load_checkpoint(self.run.checkpoint, self.parts, self.optimiser)
            )
        except runs.Damaged as error:
            message = f"{error.given} The run starts from its beginning."
            log.warning(message)
            self.run.rewind(0)
            self.run.write("phase", 0, what=LEARNING, message=message)
            self.run.checkpoint.replace(self.run.checkpoint.with_suffix(".damaged"))
            return False
        return True

    def _epoch(self, epoch: int, progress: Progress | None) -> None:
        self.network.train()
        self._freeze(epoch)
        batches = epoch_batches(self.sources, self.settings, epoch)
        for rows in batches[self.state.step % self.epoch_steps :]:
            report(progress, self.state.step, self.total)
            started = time.monotonic()
            loss = self._step(rows)
            self.state.step += 1
            self.state.seconds += time.monotonic() - started
            self._note(loss, sum(map(len, rows)), time.monotonic() - started)
        self._end_epoch(epoch + 1)
        report(progress, self.state.step, self.total)

    def _freeze(self, epoch: int) -> None:
        settings = self.settings
        schedule.freeze(
            self.network,
            epoch < settings.freeze_epochs,
            settings.frozen_stages,
            settings.freeze_norm,
        )

    def speed(self, count: int) -> float:
        """Pictures a second over ``count`` steps that nobody keeps, after a first."""
        self.network.train()
        self._freeze(self.settings.freeze_epochs)
        batches = epoch_batches(self.sources, self.settings, 0)
        self._step(batches[0])
        started = time.monotonic()
        for number in range(count):
            self._step(batches[number % len(batches)])
        return count * self.settings.batch / max(time.monotonic() - started, 1e-9)

    def _step(self, rows: Sequence[np.ndarray]) -> float:
        # the step alone decides all chance in it
        torch.manual_seed(hash((self.settings.seed, self.state.step)) % 2**31)
        schedule.set_rates(
            self.optimiser, schedule.rate(self.state.step, self.total, self.settings.warmup)
        )
        embeddings, batch = self._forward(rows)
        loss = self.terms(embeddings.float(), batch)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        learned = [
            p
            for group in self.optimiser.param_groups
            for p in group["params"]
            if p.grad is not None
        ]
        if self.settings.clip:
            torch.nn.utils.clip_grad_norm_(learned, self.settings.clip)
        self.optimiser.step()
        if self.average:
            self.average.update_parameters(self.network)
        value = loss.item()
        if not np.isfinite(value):
            raise UserError(
                f"The loss became {value} at step {self.state.step}.",
                fix="Start again with a lower learning rate.",
                command="Lower the learning rate: --set lr=...",
            )
        return value

    def _forward(self, rows: Sequence[np.ndarray]) -> tuple[torch.Tensor, dict]:
        """Embeddings of a batch, and all that the losses compare them with."""
        pictures = [
            source.pictures[row]
            for source, own in zip(self.sources, rows, strict=True)
            for row in own
        ]
        labels = np.concatenate(
            [source.labels[own] for source, own in zip(self.sources, rows, strict=True)]
        )
        batch = {
            "labels": torch.from_numpy(labels).to(self.device),
            "source": torch.tensor(
                np.repeat(range(len(rows)), [len(own) for own in rows]), device=self.device
            ),
        }
        views = self._recoloured(self.augment(pictures).to(self.device), batch)
        with self._autocast():
            shown = to_input(views, self.blueprint)
            embeddings = self.network(shown)
            if needs(self.settings, "views"):
                batch["second"] = self.network(
                    to_input(self.augment(pictures).to(self.device), self.blueprint)
                ).float()
            if needs(self.settings, "draw"):
                batch["drawn"], batch["target"] = self.network.decode(embeddings), shown
            if self.teacher:
                batch["taught"] = self._taught(views)
        return embeddings, batch

    def _recoloured(self, views: torch.Tensor, batch: dict) -> torch.Tensor:
        """The views, some recoloured where asked for, their ``labels`` those of new classes."""
        if self.settings.recolour:
            for position, source in enumerate(self.sources):
                if source.field == "instance":
                    single = batch["source"] == position
                    views, batch["labels"] = recoloured(
                        views, batch["labels"], single, len(source.classes)
                    )
        return views

    def _taught(self, views: torch.Tensor) -> torch.Tensor:
        network, blueprint = self.teacher
        # a convolutional teacher takes a crop in proportion to its own input
        fixed = hasattr(getattr(network, "backbone", network), "pos_embed")
        whole = self.settings.teacher_size or blueprint.size
        side = blueprint.size if fixed else round(views.shape[-1] * whole / self.settings.size)
        with torch.no_grad():
            if side != views.shape[-1]:
                views = torch.nn.functional.interpolate(
                    views, (side, side), mode="bilinear", antialias=True
                )
            return network(to_input(views, blueprint)).float()

    def _autocast(self):
        return torch.autocast(
            self.device, torch.bfloat16, enabled=self.settings.precision == "bf16"
        )

    def embed(self, views: torch.Tensor) -> torch.Tensor:
        """uint8 (n, 3, size, size) -> embeddings by the network that is kept."""
        with torch.inference_mode(), self._autocast():
            return self.kept.eval()(to_input(views.to(self.device), self.blueprint)).float()

    def code(self, views: torch.Tensor) -> torch.Tensor:
        """uint8 (n, 3, size, size) -> an autoencoder's codes (n, dim) by the kept network."""
        with torch.inference_mode(), self._autocast():
            return self.kept.eval().code(to_input(views.to(self.device), self.blueprint))

    def explained(self, views: torch.Tensor) -> np.ndarray:
        """uint8 (n, 3, size, size) -> share (n,) of variance that each drawing explains."""
        with torch.inference_mode(), self._autocast():
            shown = to_input(views.to(self.device), self.blueprint)
            drawn = self.kept.decode(self.kept.eval().code(shown)).float()
        around = (
            (shown - shown.mean(dim=(2, 3), keepdim=True))
            .square()
            .mean(dim=(1, 2, 3))
            .clamp(min=1e-6)
        )
        return (
            (1 - (drawn - shown).square().mean(dim=(1, 2, 3)) / around).clamp(min=-1).cpu().numpy()
        )

    def _end_epoch(self, epoch: int) -> None:
        last = epoch >= self.settings.epochs
        if last or epoch % self.settings.validate_every == 0:
            self._validate(epoch)
        stop = self.settings.patience and self.state.worse >= self.settings.patience
        self.state.finished = bool(last or stop)
        self._save()

    def _validate(self, epoch: int) -> None:
        scores = validate(
            self.embed,
            self.sources,
            self.settings.size,
            self.explained if self.draws else None,
            self.share,
        )
        self.run.write(
            "validation",
            self.state.step,
            epoch=epoch,
            scores={k: round(v, 5) for k, v in scores.items()},
        )
        self._keep_best(epoch, scores)

    def _keep_best(self, epoch: int, scores: dict[str, float]) -> None:
        # nothing kept back: the last is the best
        score = scores["mean"] if np.isfinite(scores["mean"]) else float(epoch)
        if score <= self.state.best:
            self.state.worse += 1
            return
        self.state.best = score
        self.state.best_epoch = epoch
        self.state.worse = 0
        self.state.scores = scores
        runs.save_checkpoint(
            self.run.best, {"network": self.kept}, None, {"epoch": epoch, "scores": scores}
        )

    def _note(self, loss: float, count: int, seconds: float) -> None:
        """Every step's loss is logged: curves of resumed runs match to the last digit."""
        rate = (
            schedule.rate(self.state.step - 1, self.total, self.settings.warmup) * self.settings.lr
        )
        self.run.write(
            "step",
            self.state.step,
            loss=loss,
            lr=rate,
            images_s=round(count / max(seconds, 1e-9), 1),
        )
        # the end of an epoch is saved after its validation
        between = self.state.step % self.epoch_steps
        if between and time.monotonic() - self._saved > self.settings.checkpoint_s:
            self._save()

    def _save(self) -> None:
        runs.save_checkpoint(
            self.run.checkpoint, self.parts, self.optimiser, dict(vars(self.state))
        )
        self._saved = time.monotonic()
