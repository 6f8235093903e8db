"""Checkpoints of the state, the data position and what the run is (Orbax).

Each is written to a temporary folder and renamed, so that a kill at any moment
leaves the earlier ones intact.
"""

import errno
import shutil
from pathlib import Path
from typing import Any

import grain
import jax
import orbax.checkpoint as ocp

from jaxrestore.errors import InputError
from jaxrestore.training.state import TrainState

_OVERHEAD = 2**17  # bytes of metadata beside the arrays


class Checkpoints:
    """The checkpoints of one workdir.

    Args:
        workdir: they lie in its subfolder "checkpoints", one folder per step.
        keep: how many of the newest to keep.
        fingerprint: settings that a resumed run must share.
        read_only: touch nothing; safe while the run goes on in another process.
    """

    def __init__(
        self,
        workdir: str | Path,
        keep: int,
        fingerprint: dict[str, Any],
        read_only: bool = False,
    ):
        self.folder = (Path(workdir) / "checkpoints").absolute()
        self.fingerprint = fingerprint
        options = ocp.CheckpointManagerOptions(
            max_to_keep=keep,
            cleanup_tmp_directories=not read_only,
            create=not read_only,
            read_only=read_only,
            enable_async_checkpointing=False,
        )
        self._manager = ocp.CheckpointManager(self.folder, options=options)

    def latest_step(self) -> int | None:
        """Step of the newest checkpoint, None without one."""
        return self._manager.latest_step()

    def save(self, state: TrainState, data: grain.DatasetIterator) -> None:
        """Write a checkpoint of `state` and the position of `data`; collective.

        Raises:
            InputError: it could not be written; the earlier ones are intact.
        """
        step = int(state.step)
        if step == self.latest_step():
            return
        items = ocp.args.Composite(
            state=ocp.args.StandardSave(_as_dict(state)),
            data=grain.checkpoint.CheckpointSave(data),  # pyright: ignore
            run=ocp.args.JsonSave({"fingerprint": self.fingerprint, "step": step}),
        )
        needed = sum(leaf.nbytes for leaf in jax.tree.leaves(state)) + _OVERHEAD
        try:
            # Before a write begins that cannot fit.
            if (free := shutil.disk_usage(self.folder).free) < needed:
                text = f"{free:,} bytes free, {needed:,} needed"
                raise OSError(errno.ENOSPC, f"no space left on device: {text}")
            self._manager.save(step, args=items)
        except Exception as e:  # tensorstore reports a full disk in several ways
            for remains in self.folder.glob(f"{step}.orbax-checkpoint-tmp*"):
                shutil.rmtree(remains, ignore_errors=True)
            earlier = self.latest_step()
            raise InputError(
                f"the checkpoint of step {step} could not be written to {self.folder}"
                f" ({_reason(e)}); make room, then run the same command to go on from"
                + (" the start" if earlier is None else f" step {earlier}, intact")
            ) from e

    def restore(
        self, plan: TrainState, data: grain.DatasetIterator | None
    ) -> TrainState | None:
        """Read the newest checkpoint, and move `data` to its position.

        Args:
            plan: shapes and places of the result, from `plan_state`.
            data: the stream of batches; None leaves it alone.

        Returns:
            The state, or None when there is no checkpoint.

        Raises:
            InputError: a checkpoint of another config, or an unreadable one.
        """
        step = self.latest_step()
        if step is None:
            return None
        run = self._read(step, run=ocp.args.JsonRestore())["run"]
        self._check_same_run(run["fingerprint"])
        shapes = ocp.args.StandardRestore(_as_dict(plan))
        state = self._read(step, state=shapes)["state"]
        if data is not None:
            self._restore_position(step, data)
        return _from_dict(plan, state)

    def _check_same_run(self, stored: dict[str, Any]) -> None:
        # Fields that only one side knows are left alone, so that a later version may
        # add a setting whose default is the old behaviour.
        current = self.fingerprint
        for name in sorted(stored.keys() & current.keys()):
            if stored[name] != current[name]:
                raise InputError(
                    f"config.{name}={current[name]!r} differs from the checkpoint in"
                    f" {self.folder}, which has {stored[name]!r}; set it back, or start"
                    " another run with a fresh --workdir"
                )

    def _read(self, step: int, **items: Any) -> Any:
        try:
            return self._manager.restore(step, args=ocp.args.Composite(**items))
        except Exception as e:
            raise InputError(
                f"checkpoint {self.folder / str(step)} cannot be read ({_reason(e)});"
                " delete that folder to go on from the one before"
            ) from e

    def _restore_position(self, step: int, data: grain.DatasetIterator) -> None:
        processes = f"process_{jax.process_index()}-of-{jax.process_count()}.json"
        if (self.folder / str(step) / "data" / processes).exists():
            args = grain.checkpoint.CheckpointRestore(data)  # pyright: ignore
            self._read(step, data=args)
        else:
            # Saved by another number of processes: a step is a batch, and batches
            # do not depend on how many processes share them.
            try:
                grain.experimental.set_next_index(data, step)
            except NotImplementedError as e:
                raise InputError(
                    f"checkpoint {self.folder / str(step)} was written by another"
                    " number of processes with config.data.num_workers > 0; resume it"
                    " with as many as before"
                ) from e

    def close(self) -> None:
        """Release Orbax's threads."""
        self._manager.close()


def _as_dict(state: TrainState) -> dict[str, Any]:
    """Nested dicts, with the optimiser's state as path -> array.

    So the file does not depend on how optax names its tuples' classes.
    """
    flat = jax.tree.leaves_with_path(state.opt_state)
    moments = {jax.tree_util.keystr(path): leaf for path, leaf in flat}
    return {**vars(state), "opt_state": moments}


def _from_dict(plan: TrainState, tree: dict[str, Any]) -> TrainState:
    def moment(path, _):
        return tree["opt_state"][jax.tree_util.keystr(path)]

    moments = jax.tree.map_with_path(moment, plan.opt_state)
    return TrainState(**{**tree, "opt_state": moments})


def _reason(error: BaseException) -> str:
    """One line for an error of the checkpoint library, the cause if it is known."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return str(error.strerror).lower()
    text = " ".join(str(error).split()) or type(error).__name__
    return "no space left on device" if "no space left" in text.lower() else text[:300]
