"""The training loop of every prior: from a config and a workdir to checkpoints."""

import contextlib
import dataclasses
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxrestore.data.files import exclusive, make_folder
from jaxrestore.data.pipeline import training_batches, validation_batches
from jaxrestore.data.sources import contents, open_sources
from jaxrestore.priors.weights import load_prior
from jaxrestore.settings import as_dict
from jaxrestore.training import sharding
from jaxrestore.training.checkpoints import Checkpoints
from jaxrestore.training.config import TrainConfig, fingerprint
from jaxrestore.training.progress import Progress, announced, mean_of
from jaxrestore.training.recipe import Recipe, find_recipe
from jaxrestore.training.records import Records
from jaxrestore.training.state import (
    EVALUATION,
    TrainState,
    create_state,
    make_train_step,
    plan_state,
    start_from,
)
from jaxrestore.training.stopping import StopRequest


class Trainer:
    """A run that is ready to go on: state, data and records of a workdir.

    Args:
        config: checked, from `training.config.train_config`.
        workdir: folder of the run; the newest checkpoint in it is resumed.
        devices: to train on, all of all processes by default.

    Raises:
        InputError: unusable data, workdir or checkpoint.
    """

    def __init__(
        self,
        config: TrainConfig,
        workdir: str | Path,
        devices: Sequence[Any] | None = None,
    ):
        self.config = config
        self.recipe: Recipe = find_recipe(config.recipe)(config)
        self.mesh = sharding.make_mesh(devices)
        sharding.check_batch_size(config.batch_size, self.mesh)
        size = config.eval_batch_size or config.batch_size
        sharding.check_batch_size(size, self.mesh, "eval_batch_size")
        self.is_first = jax.process_index() == 0
        make_folder(workdir, "--workdir")
        with announced("reading the images", "all of them, once", self.is_first):
            identity = self._open_data(size)
        plan = plan_state(self.recipe, self.mesh)
        whole = sharding.replicated(self.mesh)
        self._frozen = jax.device_put(self.recipe.frozen, whole)
        self.checkpoints = Checkpoints(workdir, config.keep, identity)
        restored = self.checkpoints.restore(plan, self.batches)
        self.state: TrainState = restored or self._first_state(plan)
        self.step = self._start = int(self.state.step)
        first = self.is_first
        self.records = Records(workdir, as_dict(config), self.step) if first else None
        self._train_step = make_train_step(self.recipe, plan)
        self._evaluate = jax.jit(self.recipe.evaluate, out_shardings=whole)
        places = jax.tree.map(lambda leaf: leaf.sharding, plan.opt_state)
        self._validated = jax.jit(self.recipe.validated, out_shardings=places)

    def _open_data(self, eval_size: int) -> dict[str, Any]:
        """Set the batches up; what a resumed run must share."""
        config, data = self.config, self.config.data
        sources = open_sources(data, "train")
        own = jax.process_index(), jax.process_count()
        size, seed = config.batch_size, config.seed
        self._stream = partial(training_batches, sources, data, size, seed, own)
        self.batches = self._stream()
        identity = fingerprint(config, contents(data, sources))
        identity |= self.recipe.identity
        self.val_batches: list[dict[str, np.ndarray]] = []
        if not data.val:
            return identity
        val = open_sources(data, "val")
        self.val_batches = validation_batches(
            val, data, eval_size, config.eval_batches, own
        )
        if self.recipe.reads_validation:
            names = ("eval_every", "eval_batches")
            identity |= {name: getattr(config, name) for name in names}
            identity["data.val"] = val["image"].content_hash()
        return identity

    def _first_state(self, plan: TrainState) -> TrainState:
        state = create_state(self.recipe, plan)
        if self.config.init_from:
            start = load_prior(self.config.init_from).params
        else:
            start = self.recipe.warm_start(state.params, self._first_batch)
        return state if start is None else start_from(state, start, plan)

    def _first_batch(self) -> dict[str, jax.Array]:
        """What the first step will see, from a stream of its own."""
        with contextlib.closing(self._stream()) as batches:
            return sharding.put_batch(next(batches), self.mesh)

    def run(self) -> str:
        """Train until the last step, a signal or the end of the time.

        Returns:
            Why it stopped: "total_steps", "max_minutes" or the signal's name. A
            checkpoint of the last step is written in each case.
        """
        config, reason = self.config, None
        with (
            StopRequest(config.max_minutes) as stop,
            Progress(config, self.step, self.records, stop) as progress,
        ):
            while self.step < config.total_steps and reason is None:
                metrics = self._update()
                self.step += 1
                progress.add(metrics)
                if self._due(config.eval_every) or self.step == config.total_steps:
                    progress.flush()
                    self.evaluate()
                    progress.restart_clock()
                if self._due(config.checkpoint_every):
                    progress.flush()
                    self.checkpoints.save(self.state, self.batches)
                    progress.restart_clock()
                # Processes must agree, which costs a round trip: not at every step.
                if jax.process_count() == 1 or self._due(config.log_every):
                    reason = stop.agreed_reason()
            progress.flush()
            self.checkpoints.save(self.state, self.batches)
        return reason or "total_steps"

    def _update(self) -> dict[str, Any]:
        batch = sharding.put_batch(next(self.batches), self.mesh)
        compiles = self.is_first and self.step == self._start
        hint = "once; minutes for a large network on a CPU"
        with announced("compiling the training step", hint, compiles):
            self.state, metrics = self._train_step(self.state, batch, self._frozen)
        return metrics

    def _due(self, every: int) -> bool:
        return self.step % every == 0

    def evaluate(self) -> None:
        """Score the EMA weights on the validation batches and draw the sheets."""
        if not self.val_batches:
            return
        key = jax.random.fold_in(jax.random.key(self.config.seed), EVALUATION)
        hint = "longer the first time, when it is compiled"
        with announced("evaluating", hint, self.is_first):
            means = self._scores(key)
        if self.recipe.reads_validation:  # it acts inside the state that is saved
            after = self._validated(self.state.opt_state, means)
            self.state = dataclasses.replace(self.state, opt_state=after)
        ema = sharding.to_host(self.state.ema)
        if self.records:
            self.records.write(self.step, {f"val_{k}": v for k, v in means.items()})
            with announced("drawing sheets", hint):
                sheets = self.recipe.sheets(ema, self.val_batches[0], key)
            self.records.save_sheets(self.step, sheets)
            self.records.save_curves(self.recipe.curves)

    def _scores(self, key: jax.Array) -> dict[str, float]:
        """Means over the validation batches."""
        scores = []
        for i, batch in enumerate(self.val_batches):
            placed = sharding.put_batch(batch, self.mesh)
            own = jax.random.fold_in(key, i)
            scores.append(self._evaluate(self.state.ema, placed, own, self._frozen))
        return mean_of(jax.device_get(scores))

    def close(self) -> None:
        """Release loader threads, Orbax and TensorBoard; errors are of no use now."""
        self.batches.close()
        for part in (self.checkpoints, self.records):
            with contextlib.suppress(OSError):
                if part is not None:
                    part.close()


def train(config: TrainConfig, workdir: str | Path) -> TrainState:
    """Train, or go on training, and leave a checkpoint.

    Args:
        config: checked, from `training.config.train_config`.
        workdir: folder of the run.

    Returns:
        The last state.

    Raises:
        InputError: as `Trainer`, or another process trains in this folder.
    """
    with contextlib.ExitStack() as stack:
        if jax.process_index() == 0:
            stack.enter_context(exclusive(workdir, "--workdir"))
        trainer = stack.enter_context(contextlib.closing(Trainer(config, workdir)))
        reason = trainer.run()
    if trainer.is_first:
        print(f"step {trainer.step}: stopped by {reason}, checkpoint in {workdir}")
    return trainer.state
