"""The settings of solve, and what the bundled configs make of them."""

import numpy as np
import pytest

from jaxrestore import InputError
from jaxrestore.cli.chosen import Chosen
from jaxrestore.cli.solve_config import PRESET, schema
from jaxrestore.cli.task import Task
from jaxrestore.configfiles import config_names, load_config
from jaxrestore.data.images import LoadedImage
from jaxrestore.settings import as_dict, bind
from jaxrestore.solvers import SOLVERS
from tests.contracts.cases import rows

ARTICLE = {
    "face_sr_x4": ("0.8:0.5", 5 / 255, 50, 10),
    "face_motion_deblur": ("0.99:0.8", 5 / 255, 50, 10),
    "face_gaussian_deblur": ("0.99:0.8", 5 / 255, 50, 10),
    "face_inpaint": ("0.3:0.8", 3 / 255, 100, 100),
}
METHODS = {"deblur_alr": "variational", "denoise_alr": "variational"}
METHODS |= {"vble_faces64": "vble_xz", "vble_natural": "vble_xz"}
METHODS |= {"posterior_faces64": "gibbs"}
METHODS |= {"glow_analysis": "analysis", "glow_synthesis": "synthesis"}


def bound(**values):
    return bind(schema(values), values)


@pytest.mark.parametrize("name", rows(config_names("solve"), ["diverse_sr_x2"]))
def test_bundled_configs_build_their_method(name):
    values = load_config(name, "solve")
    config = bound(**values)
    draws = name.startswith("diverse_sr")
    expected = "diverse_sr" if draws else METHODS.get(name, "pnp_hvae")
    chosen = Chosen(config)
    shape = (64, 64, 1) if draws or "faces64" in config.prior else (48, 48, 3)
    pixels = np.random.default_rng(0).random(shape, np.float32)
    problem = Task(config, True, chosen.prior).problem(name, LoadedImage(pixels))
    method, notes = chosen.method(problem)
    inner = getattr(method, "method", method)  # whose rate is chosen
    assert inner.name == chosen.kind.name == expected and not notes
    if name in ARTICLE:
        solver, stopping = config.solver, config.stopping
        found = solver.temperature, solver.decoder_std, stopping.max_steps
        assert (*found, stopping.patience) == ARTICLE[name]
        assert stopping.tolerance == 0


@pytest.mark.parametrize("name", SOLVERS)
def test_settings_of_every_method(name):
    config = bound(solver={"name": name})
    assert config.solver.name == name
    assert (config.sampling is None) == (config.stopping is not None)
    again = as_dict(config)
    for section in ("sampling", "stopping", "acceleration", "posterior"):
        if again[section] is None:
            again.pop(section)
    assert as_dict(bound(**again)) == as_dict(config)


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({}, "pnp_hvae"),
        ({"prior": "vdvae-faces64"}, "pnp_hvae"),
        ({"prior": "vae-faces64"}, "jpmap"),
        ({"prior": "alr-natural"}, "variational"),
        ({"encoder": "cvdvae-faces64-x4"}, "diverse_sr"),
    ],
)
def test_the_method_that_suits_the_prior(values, name):
    assert bound(**values).solver.name == name
    assert bound(**values, solver={"name": "auto"}).solver.name == name


def test_values_are_parsed_once_and_words_kept():
    config = bound(noise_std="8/255", solver={"temperature": "0.9,0.5"})
    assert config.noise_std == 8 / 255
    assert config.solver.temperature == pytest.approx([0.9, 0.5])
    assert config.solver.decoder_std == PRESET
    assert bound(solver={"temperature": "auto"}).solver.temperature == "auto"


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"speed": 3}, r"config\.speed: unknown setting"),
        ({"solver": {"wieght": 3}}, r"config\.solver\.wieght: unknown"),
        ({"solver": {"name": "tv", "temperature": 1}}, "one of coupled, name, weight"),
        ({"solver": {"name": "magic"}}, "expected one of auto, pnp_hvae"),
        ({"solver": 3}, r"config\.solver=3: expected a section"),
        ({"stopping": {"n_samples": 3}}, r"config\.stopping\.n_samples: unknown"),
        ({"solver": {"temperature": "sur"}}, "or one of preset, auto, sure, discr"),
        ({"encoder": "x", "solver": {"temperature": "auto"}}, "temperature=auto"),
    ],
)
def test_mistakes(values, says):
    with pytest.raises(InputError, match=says):
        bound(**values)


def test_acceleration_wraps_the_method(toy):
    """Of fixed-point maps alone; off where no depth is given."""
    rest = {"task": "identity", "prior": str(toy), "noise_std": 0.1}
    pixels = LoadedImage(np.full((8, 8, 3), 0.5, np.float32))

    def method(**acceleration):
        solver = {"name": "pnp_hvae", "temperature": 0.8}
        config = bound(**rest, solver=solver, acceleration=acceleration)
        chosen = Chosen(config)
        return chosen.method(Task(config, False, chosen.prior).problem("a", pixels))[0]

    assert method().name == "pnp_hvae"
    found = method(depth="3", relaxation=1.2)
    assert found.name == "anderson" and found.depth == 3
    assert found.method.temperature.max() == np.float32(0.8)
    with pytest.raises(InputError, match="config.acceleration: unknown"):
        bound(**rest, solver={"name": "tv"}, acceleration={"depth": 3})
    both = {"name": "pnp_hvae", "temperature": "auto"}
    with pytest.raises(InputError, match="acceleration.depth=3: does not go with"):
        Chosen(bound(**rest, solver=both, acceleration={"depth": 3}))
    with pytest.raises(InputError, match="acceleration.relaxation=1.5: has no use"):
        method(relaxation=1.5)
