"""From a checkpoint to a weights file that others can use."""

import importlib.metadata
import json
import subprocess
from pathlib import Path

import jax

from jaxrestore.data.files import make_folder
from jaxrestore.errors import InputError
from jaxrestore.settings import as_dict
from jaxrestore.training import sharding
from jaxrestore.training.checkpoints import Checkpoints
from jaxrestore.training.config import TrainConfig, fingerprint
from jaxrestore.training.recipe import find_recipe
from jaxrestore.training.state import plan_state


def export(config: TrainConfig, workdir: str | Path, path: str | Path) -> None:
    """Write the EMA weights of the newest checkpoint as safetensors.

    The metadata hold config (JSON), recipe, data, step, seed, commit and licence.

    Args:
        config: of the run, as `train_config(saved_values(workdir))` reads it. Its
            data need not be there.
        workdir: of the run.
        path: file to write; replaced only once the new one is whole.

    Raises:
        InputError: no checkpoint, a checkpoint of another config, or a path that
            cannot be written.
    """
    path = Path(path)
    recipe, mesh = find_recipe(config.recipe)(config), sharding.make_mesh()
    identity = {**fingerprint(config, {}), **recipe.identity}
    checkpoints = Checkpoints(workdir, config.keep, identity, read_only=True)
    state = checkpoints.restore(plan_state(recipe, mesh), None)
    checkpoints.close()
    if state is None:
        raise InputError(
            f"--workdir={str(workdir)!r} holds no checkpoint yet; train there first"
        )
    ema = sharding.to_host(state.ema)
    if jax.process_index() == 0:
        make_folder(path.parent, "--export")
        recipe.export(ema, str(path), _metadata(config, int(state.step)))


def _metadata(config: TrainConfig, step: int) -> dict[str, str]:
    whole = as_dict(config)
    # Weights travel, folders do not.
    for field in ("train", "val", "degraded", "degraded_val", "tfds_dir"):
        whole["data"][field] = Path(whole["data"][field]).name
    for field in ("init_from", "prior"):
        whole[field] = Path(whole[field]).name
    return {
        "recipe": config.recipe,
        "config": json.dumps(whole, sort_keys=True),
        "data": config.description or Path(config.data.train).name,
        "step": str(step),
        "seed": str(config.seed),
        "commit": git_commit(),
        "licence": config.licence,
        "jaxrestore": importlib.metadata.version("jaxrestore"),
    }


def git_commit() -> str:
    """Commit of the source that runs, "-dirty" if changed; "unknown" outside git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    here = Path(__file__).parent
    try:
        output = subprocess.check_output(
            command, cwd=here, stderr=subprocess.DEVNULL, text=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return output.strip()
