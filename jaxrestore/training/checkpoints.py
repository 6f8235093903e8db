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
from jaxrestore.training.config import check_same_run
from jaxrestore.training.state import TrainState

_OVERHEAD = 2**17  # bytes of metadata beside the arrays


class Checkpoints:
    """The checkpoints of one workdir.

    Args:
        workdir: they lie in its subfolder "checkpoints", one folder per step.
        keep: how many of the newest to keep.
        fingerprint: settings that a resumed run must share.
        read_only: touch nothing; safe while the run goes on in another process.

    Raises:
        InputError: the folder cannot be created.
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
        try:
            self._manager = ocp.CheckpointManager(self.folder, options=options)
        except OSError as e:
            raise InputError(
                f"--workdir={str(workdir)!r} cannot be written ({e.strerror}); choose"
                " a folder that you may write to"
            ) from e

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
        try:
            self._require_space(state)
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

    def _require_space(self, state: TrainState) -> None:
        """Raise OSError before a write that cannot fit begins."""
        needed = sum(leaf.nbytes for leaf in jax.tree.leaves(state)) + _OVERHEAD
        free = shutil.disk_usage(self.folder).free
        if free < needed:
            text = f"no space left on device: {free:,} bytes free, {needed:,} needed"
            raise OSError(errno.ENOSPC, text)

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
        check_same_run(run["fingerprint"], self.fingerprint, str(self.folder))
        shapes = ocp.args.StandardRestore(_as_dict(plan))
        state = self._read(step, state=shapes)["state"]
        if data is not None:
            self._restore_position(step, data)
        return _from_dict(plan, state)

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
    flat, _ = jax.tree_util.tree_flatten_with_path(state.opt_state)
    moments = {jax.tree_util.keystr(path): leaf for path, leaf in flat}
    return {**vars(state), "opt_state": moments}


def _from_dict(plan: TrainState, tree: dict[str, Any]) -> TrainState:
    flat, structure = jax.tree_util.tree_flatten_with_path(plan.opt_state)
    moments = [tree["opt_state"][jax.tree_util.keystr(path)] for path, _ in flat]
    opt_state = jax.tree_util.tree_unflatten(structure, moments)
    return TrainState(**{**tree, "opt_state": opt_state})


def _reason(error: BaseException) -> str:
    """One line for an error of the checkpoint library, the cause if it is known."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return str(error.strerror).lower()
    text = " ".join(str(error).split()) or type(error).__name__
    if "no space left" in text.lower():
        return "no space left on device"
    return text if len(text) <= 300 else text[:297] + "..."
