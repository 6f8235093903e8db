"""The training loop of every prior: from a config and a workdir to checkpoints."""

import contextlib
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxrestore.data.files import exclusive, make_folder
from jaxrestore.data.pipeline import training_batches, validation_batches
from jaxrestore.data.sources import contents, open_sources
from jaxrestore.priors.weights import load_prior
from jaxrestore.training import sharding
from jaxrestore.training.checkpoints import Checkpoints
from jaxrestore.training.config import Config, fingerprint
from jaxrestore.training.progress import Progress, mean_of
from jaxrestore.training.recipe import Recipe, create_recipe
from jaxrestore.training.records import Records
from jaxrestore.training.state import (
    TrainState,
    create_state,
    evaluation_key,
    make_train_step,
    plan_state,
    start_from,
)
from jaxrestore.training.stopping import StopRequest


class Trainer:
    """A run that is ready to go on: state, data and records of a workdir.

    Args:
        config: validated, see `training.config`.
        workdir: folder of the run; the newest checkpoint in it is resumed.
        devices: to train on, all of all processes by default.

    Raises:
        InputError: unusable data, workdir or checkpoint.
    """

    def __init__(
        self,
        config: Config,
        workdir: str | Path,
        devices: Sequence[Any] | None = None,
    ):
        self.config = config
        self.recipe: Recipe = create_recipe(config)
        self.mesh = sharding.make_mesh(devices)
        sharding.check_batch_size(config.batch_size, self.mesh)
        self._eval_batch_size = config.eval_batch_size or config.batch_size
        sharding.check_batch_size(self._eval_batch_size, self.mesh, "eval_batch_size")
        self.is_first = jax.process_index() == 0
        make_folder(workdir, "--workdir")
        sources = open_sources(config.data, "train")
        self.val_batches = self._validation_batches()
        self.batches = training_batches(
            sources, config.data, config.batch_size, config.seed, **_process()
        )
        optimizer = self.recipe.optimizer(config)
        plan = plan_state(self.recipe, optimizer, self.mesh, config.sharding)
        identity = fingerprint(config, contents(config.data, sources))
        identity |= getattr(self.recipe, "identity", {})
        if config.data.val and hasattr(self.recipe, "validated"):
            val = open_sources(config.data, "val")
            identity["data.val"] = val["image"].content_hash()
        self._frozen = self._place_frozen()
        self.checkpoints = Checkpoints(workdir, config.keep, identity)
        restored = self.checkpoints.restore(plan, self.batches)
        self.state: TrainState = restored or self._first_state(optimizer, plan)
        self.step = int(self.state.step)
        self.records = Records(workdir, self.step) if self.is_first else None
        if self.records:
            self.records.save_config(config.to_dict())
        self._train_step = make_train_step(
            self.recipe,
            optimizer,
            ema_decay=config.ema_decay,
            skip_gradient_norm=config.skip_gradient_norm,
            plan=plan,
        )
        whole = sharding.replicated(self.mesh)
        self._evaluate = jax.jit(self.recipe.evaluate, out_shardings=whole)
        validated = getattr(self.recipe, "validated", None)
        places = jax.tree.map(lambda leaf: leaf.sharding, plan.opt_state)
        self._validated = validated and jax.jit(validated, out_shardings=places)

    def _first_state(self, optimizer, plan: TrainState) -> TrainState:
        config = self.config
        state = create_state(self.recipe, optimizer, config.seed, plan)
        warm_start = getattr(self.recipe, "warm_start", None)
        if config.init_from:
            return start_from(state, load_prior(config.init_from).params, plan)
        if warm_start is not None:
            return start_from(state, warm_start(sharding.to_host(state.params)), plan)
        return state

    def _place_frozen(self) -> dict[str, Any]:
        frozen = getattr(self.recipe, "frozen", None)
        if frozen is None:
            return {}
        return {"frozen": jax.device_put(frozen, sharding.replicated(self.mesh))}

    def _place(self, batch: dict[str, np.ndarray]) -> dict[str, Any]:
        return sharding.put_batch(batch, self.mesh) | self._frozen

    def _validation_batches(self) -> list[dict[str, np.ndarray]]:
        config = self.config
        if not config.data.val:
            return []
        sources = open_sources(config.data, "val")
        size, count = self._eval_batch_size, config.eval_batches
        return validation_batches(sources, config.data, size, count, **_process())

    def run(self) -> str:
        """Train until the last step, a signal or the end of the time.

        Returns:
            Why it stopped: "total_steps", "max_minutes" or the signal's name. A
            checkpoint of the last step is written in each case.
        """
        config = self.config
        with StopRequest(config.max_minutes) as stop, self._progress(stop) as progress:
            reason = None
            while self.step < config.total_steps and reason is None:
                batch = self._place(next(self.batches))
                self.state, metrics = self._train_step(self.state, batch)
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

    def _due(self, every: int) -> bool:
        return self.step % every == 0

    def _progress(self, stop: StopRequest) -> Progress:
        config = self.config
        return Progress(
            self.step,
            config.total_steps,
            config.log_every,
            config.batch_size,
            self.records,
            stop,
        )

    def evaluate(self) -> None:
        """Score the EMA weights on the validation batches and draw the sheets."""
        if not self.val_batches:
            return
        key = evaluation_key(self.config.seed)
        scores = []
        for i, batch in enumerate(self.val_batches):
            placed = self._place(batch)
            scores.append(
                self._evaluate(self.state.ema, placed, jax.random.fold_in(key, i))
            )
        means = mean_of(jax.device_get(scores))
        self._tell(means)
        ema = sharding.to_host(self.state.ema)
        if self.records:
            self.records.write(self.step, {f"val_{k}": v for k, v in means.items()})
            sheets = self.recipe.sheets(ema, self.val_batches[0], key)
            self.records.save_sheets(self.step, sheets)
            self.records.save_curves(getattr(self.recipe, "curves", {}))

    def _tell(self, means: dict[str, float]) -> None:
        """Let the recipe act on a validation, inside the state that is saved."""
        if self._validated is not None:
            after = self._validated(self.state.opt_state, means)
            self.state = dataclasses.replace(self.state, opt_state=after)

    def close(self) -> None:
        """Release loader threads, Orbax and TensorBoard; errors are of no use now."""
        self.batches.close()
        for part in (self.checkpoints, self.records):
            with contextlib.suppress(OSError):
                if part is not None:
                    part.close()


def _process() -> dict[str, int]:
    return {
        "process_index": jax.process_index(),
        "process_count": jax.process_count(),
    }


def train(config: Config, workdir: str | Path) -> TrainState:
    """Train, or go on training, and leave a checkpoint.

    Args:
        config: validated, see `training.config`.
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
