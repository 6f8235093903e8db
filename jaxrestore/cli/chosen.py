"""The solver that the settings name, and one run of it."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from jaxrestore import priors
from jaxrestore.cli import posterior
from jaxrestore.cli.forecast import Needs
from jaxrestore.cli.outcome import Outcome, recorded
from jaxrestore.cli.room import rows, savings
from jaxrestore.cli.solve_config import AUTO, SELECTED, SolveConfig
from jaxrestore.cli.task import Problem
from jaxrestore.cli.tiling import Tiling
from jaxrestore.errors import InputError
from jaxrestore.operators import Downsample
from jaxrestore.priors import Tiled
from jaxrestore.priors.weights import resolve, sha256
from jaxrestore.report.timing import timed
from jaxrestore.solvers import (
    SOLVERS,
    Anderson,
    Draws,
    Method,
    Restoration,
    SelectRate,
    Stopping,
    presets,
    restore,
    sample,
)
from jaxrestore.solvers.many import Asked, restore_many
from jaxrestore.solvers.presets import PRESET
from jaxrestore.solvers.restore import Progress, memory
from jaxrestore.solvers.temperature import for_groups

# What to lower where a method diverges, the first that it has.
_REMEDIES = ("temperature", "weight", "learning_rate", "descent_rate")


class Chosen:
    """The solver that the settings name, with its models loaded.

    Attributes:
        kind: its class.
        prior: the model that images are posed for, None where it needs none.
        weights: "prior" and "encoder" with name and SHA-256, None where not used.

    Raises:
        InputError: a model cannot be loaded or used, or a setting does not fit it.
    """

    def __init__(self, config: SolveConfig):
        self._config = config
        self.kind = SOLVERS[config.solver.name]
        self._models: dict[str, Any] = {}
        self.weights: dict[str, Any] = {"prior": None, "encoder": None}
        for field in self.kind.models:
            role = "encoder" if field == "encoder" else "prior"
            self._models[field] = self._load(role)
            name = getattr(config, role)
            self.weights[role] = {"name": name, "sha256": sha256(resolve(name)[0])}
        self.prior: Any = next(iter(self._models.values()), None)
        self._in_precision(self.prior)
        self.kind(*self._models.values()).check_models()
        self._given = {
            name: value
            for name, value in vars(config.solver).items()
            if name != "name" and not (isinstance(value, str) and value == PRESET)
        }
        self._selected = {
            name: words[self._given.pop(name)]
            for name, words in SELECTED.items()
            if isinstance(word := self._given.get(name), str) and word in words
        }
        if self._given.get("rate") == AUTO:
            self._selected["rate"] = self._given.pop("rate")
        if len(self._selected) > 1:
            names = ", ".join(f"config.solver.{name}" for name in self._selected)
            raise InputError(
                f"{names}: are all to be chosen from the photograph, expected one of"
                " them; give the others numbers"
            )
        self._mesh = rows(config, self.kind)
        wanted = 0 if self._mesh and config.tile == AUTO else config.tile
        self._tiling = Tiling(self.kind, self._models.get("prior"), wanted)
        self._check_acceleration()
        if self._accelerates and self._selected:
            (name,) = self._selected
            raise InputError(
                f"config.acceleration.depth={config.acceleration.depth}: does not go"
                f" with config.solver.{name}=auto; leave one of them out"
            )
        if (tau := self._given.get("temperature")) is not None:
            for_groups(tau, self.prior.num_groups)  # before anything is written

    def _load(self, role: str) -> Any:
        if role == "prior":
            return self._in_precision(priors.load_prior(self._config.prior))
        if not self._config.encoder:
            raise InputError(
                "config.encoder: missing, diverse_sr needs the low-resolution encoder"
                " of its prior; take --config=diverse_sr_x4 or --encoder=FILE"
            )
        return priors.load_encoder(
            self._config.encoder, self._models["prior"], "config.encoder"
        )

    def _in_precision(self, prior: Any) -> Any:
        """The prior with the network's precision that is asked for."""
        wanted: str = self._config.compute_dtype
        own: Any = getattr(prior, "config", None)
        if wanted == AUTO:
            return prior
        if not hasattr(own, "compute_dtype"):
            who = f"a {type(prior).__name__}" if prior else f"{self.kind.name} alone"
            raise InputError(
                f"config.compute_dtype={wanted}: has no use with {who}, which knows"
                " float32 alone; leave it out"
            )
        config = dataclasses.replace(own, compute_dtype=wanted)
        return dataclasses.replace(prior, config=config)

    @property
    def shares_canvases(self) -> bool:
        """Whether an image may be part of a larger one."""
        fixed = getattr(getattr(self.prior, "config", None), "image_size", None)
        return (
            issubclass(self.kind, Method) and not self._config.posterior and not fixed
        )

    def placed(
        self, problem: Problem, canvases: Sequence[tuple[int, int]] = ()
    ) -> Problem:
        """On the smallest of some canvases, and as tall as devices can share.

        Raises:
            InputError: the devices cannot share its rows.
        """
        problem = problem.placed(canvases)
        return problem.shared(self._mesh.size, self.stride) if self._mesh else problem

    @property
    def stride(self) -> int:
        """Multiples of it are sizes that the prior takes as they are."""
        return getattr(getattr(self.prior, "config", None), "stride", 1)

    @property
    def tiles(self) -> bool:
        """Whether the prior can see images tile by tile."""
        return self._tiling.possible

    def tiled(self, shape: tuple[int, ...]) -> Tiled:
        """The prior by tiles, for an image (H, W, C), whether it needs them or not."""
        return self._tiling.tiled(shape)

    @property
    def wraps(self) -> bool:
        """Whether another solver runs the one that the settings name."""
        return bool(self._selected) or self._accelerates

    @property
    def _accelerates(self) -> bool:
        given = self._config.acceleration
        return given is not None and given.depth is not None

    def _check_acceleration(self) -> None:
        given = self._config.acceleration
        if given is None or given.depth is not None:
            return
        for field in dataclasses.fields(given):
            if (value := getattr(given, field.name)) != field.default:
                raise InputError(
                    f"config.acceleration.{field.name}={value}: has no use without a"
                    " depth; give --acceleration.depth=5, or 0 for over-relaxation"
                    " alone"
                )

    @property
    def remedy(self) -> str:
        """What to try after it diverged."""
        names = [name for name in _REMEDIES if hasattr(self._config.solver, name)]
        return f"lower --config.solver.{names[0]}" if names else "take another solver"

    def method(self, problem: Problem) -> tuple[Any, list[str]]:
        """The solver for an image, and what to tell the user of its settings.

        Raises:
            InputError: the image does not fit the models or the settings.
        """
        found = self._preset(problem)
        line = found.note
        models = dict(self._models)
        if "prior" in models:
            models["prior"] = self._tiling.prior(problem.image_shape)
        settings, notes = dict(found.settings), []
        if self._mesh and settings.get("views") == "shifts":
            settings["views"] = "flips"
            notes.append("views=flips: with shifts each device would hold the image")
        method: Any = self.kind(*models.values(), **settings)
        for name, criterion in self._selected.items():
            if name == "rate":
                method = SelectRate(method)
                continue
            if criterion == "auto":
                criterion = presets.criterion(method, problem.degradation.task)
            if criterion is None:
                line = f"{name} stays {method.weight:g}: nothing chooses better here"
                continue
            method = presets.selection(name, method, criterion)
            if name == "schedule" and "schedule" not in found.settings:
                line = (
                    "no schedule was tuned for this prior and task: decoder_std is"
                    " chosen, at constant settings"
                )
        if self._accelerates:
            method = Anderson(method, **vars(self._config.acceleration))
        if encoder := self._models.get("encoder"):
            self._check_encoder(encoder, problem)
        notes += [line] if line else []
        return method.validate(problem.observation), notes

    def _preset(self, problem: Problem) -> presets.Preset:
        """What was tuned for the prior and the problem."""
        task = presets.kind_of(problem.degradation.task, problem.operator)
        level = problem.noise_std
        row, line = "", ""
        if prior := self.weights["prior"]:
            row, line = presets.row(self.prior, prior["name"], prior["sha256"])
        steps = getattr(self._config.stopping, "max_steps", None)
        asked = self.kind.name, row, task, level, self._given, steps
        found = presets.preset(*asked)
        line = line if set(found.settings) - set(self._given) else ""
        return found._replace(note=found.note or line)

    def memory(self, method: Any, problem: Problem) -> Needs:
        """What the run of a method that iterates takes beside its steps' time."""
        rules, drawn = self._rules(problem, method), self._config.posterior
        size = memory(method, problem.posed, key=problem.key, **rules)
        if self._mesh:
            return Needs(size).shared(self._mesh)
        draws = posterior.passes(drawn.n_samples) if drawn else 0
        return Needs(size, draws=draws, tile=self._tiling.remedy(problem.image_shape))

    def savings(self, problem: Problem) -> list[str]:
        """Settings that take less of a device's memory for an image."""
        tile = self._tiling.remedy(problem.image_shape)
        return savings(self._config, self.kind, self.prior, problem, tile)

    def _rules(self, problem: Problem, method: Any) -> dict[str, Any]:
        """What a method that iterates is run with."""
        rules = dataclasses.asdict(self._config.stopping)
        steps = rules.pop("max_steps")
        if rules["tolerance"] == PRESET:
            tuned = self._preset(problem).tolerance
            rules["tolerance"] = tuned or float(method.stopping.tolerance)
        how = {"history": True, "mesh": self._mesh}
        return {"max_steps": steps, "stopping": Stopping(**rules), **how}

    def asked(self, method: Any, problem: Problem) -> Asked:
        """What a method that iterates is asked of an image."""
        rules = self._rules(problem, method)
        del rules["mesh"]
        return Asked(method, problem.posed, key=problem.key, **rules)

    def run(
        self,
        method: Any,
        problem: Problem,
        progress: Progress | None = None,
        another: Callable[..., Restoration] | None = None,
    ) -> Outcome:
        """Restore one image, methods that iterate by `restore` or another like it."""
        observation, key = problem.posed, problem.key
        call: Any
        if isinstance(method, Method):
            rules = self._rules(problem, method)
            call = lambda: (another or restore)(  # noqa: E731
                method, observation, key=key, progress=progress, **rules
            )
        else:
            chains = self.kind.markov
            rules = {**dataclasses.asdict(self._config.sampling), "traces": chains}
            call = lambda: sample(method, observation, key=key, **rules)  # noqa: E731
        result, *seconds = timed(call)
        result = jax.device_get(result) if self._mesh else result
        return self._outcome(method, problem, result, *seconds)

    def run_many(
        self, questions: Sequence[tuple[Any, Problem]], asked: Sequence[Asked], *how
    ) -> list[Outcome]:
        """Restore images side by side; of the seconds each has its share.

        Args:
            questions: methods and problems.
            asked: of each, all of one kind.
            *how: size and devices of `restore_many`.
        """
        results, *seconds = timed(lambda: restore_many(asked, *how))
        shares = [span / len(asked) for span in seconds]
        return [
            self._outcome(*question, result, *shares, batch=len(asked))
            for question, result in zip(questions, results, strict=True)
        ]

    def _outcome(
        self,
        method: Any,
        problem: Problem,
        result: Restoration | Draws,
        seconds: float,
        compile_seconds: float,
        **more: Any,
    ) -> Outcome:
        """A result with the record of its run."""
        config, stop, chains = self._config, {}, self.kind.markov
        if isinstance(method, Method):
            rules = self._rules(problem, method)
            stop["tolerance"] = rules["stopping"].tolerance
        record = {
            "solver": self.kind.name,
            **stop,
            **recorded(method, result, problem),
            "seconds": seconds,
            "compile_seconds": compile_seconds,
            **more,
        }
        if isinstance(result, Draws) and chains:
            record |= posterior.diagnostics(result, seconds)
            drawn = posterior.of_chains(result)
            return Outcome(result, problem.finished(drawn.mean), record, drawn=drawn)
        if not config.posterior:
            shown = problem.cut(self.shown(result))
            return Outcome(result, problem.finished(shown), record)
        drawn = posterior.draw(method, result, problem, config.posterior.n_samples)
        return Outcome(result, problem.finished(drawn.mean), record, drawn=drawn)

    def shown(self, result: Restoration | Draws) -> Any:
        """The image of a result that is shown and scored."""
        which = self._config.output_image
        if which == "auto":
            which = "mean" if self.kind.name == "pnp_hvae" else "image"
        mean = which == "mean" or isinstance(result, Draws)
        return result.mean if mean else result.image  # type: ignore[union-attr]

    def _check_encoder(self, encoder: Any, problem: Problem) -> None:
        """Refuse what the encoder was not trained to undo."""
        expected, given = encoder.config.operator(), problem.observation.operator
        if (
            not isinstance(given, Downsample)
            or given.factor != expected.factor
            or given.kernel.shape != expected.kernel.shape
            or not np.allclose(given.kernel, expected.kernel, atol=1e-6)
        ):
            raise InputError(
                f"config.encoder={self._config.encoder}: enlarges {expected.factor}"
                " times what a bicubic kernel with a periodic boundary made small,"
                " not what task, kernel, factor and boundary say; take"
                f" --config=diverse_sr_x{expected.factor}"
            )
