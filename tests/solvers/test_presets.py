"""Settings by solver, prior, task and noise level."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.operators import Identity, Mask
from jaxrestore.priors import PatchVDVAEConfig
from jaxrestore.priors.registry import BUNDLED
from jaxrestore.solvers import SOLVERS
from jaxrestore.solvers.presets import OPEN, TASKS, kind_of, preset, row

NATURAL = "patch-vdvae-natural"


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("solver", OPEN)
def test_what_is_open_has_values(solver, task):
    for prior in (NATURAL, "vdvae-faces64", "alr-natural", "mine"):
        found = preset(solver, prior, task, 0.03)
        assert found.settings and set(found.settings) <= set(OPEN[solver])
        kind = {field.name for field in dataclasses.fields(SOLVERS[solver])}
        assert set(OPEN[solver]) <= kind


def test_levels_between_and_outside():
    def gamma(level):
        given = {"schedule": "none"}
        found = preset("pnp_hvae", NATURAL, "blur", level / 255, given).settings
        return found["decoder_std"]

    assert gamma(5.1) == pytest.approx(16 / 255)
    assert gamma(0.1) == gamma(2.55) and gamma(90) == gamma(12.75)


def test_a_schedule_has_settings_of_its_own():
    with_, without = (
        preset("pnp_hvae", NATURAL, "blur", 0.03, given).settings
        for given in ({"schedule": "preset"}, {"schedule": "none"})
    )
    assert with_["views"] == "shifts" and ":" in with_["schedule"]
    assert without["schedule"] == "none" and "views" not in without
    assert with_["decoder_std"] < without["decoder_std"]
    # A level that is told to the prior at first is one that it was trained for.
    for task in TASKS:
        for level in (0.5, 2.55, 12.75, 30):
            found = preset("pnp_hvae", NATURAL, task, level / 255).settings
            first = float(found.get("schedule", "1:1").split(":")[0])
            assert 0 < 255 * first * found["encoder_noise"] < 75


@pytest.mark.parametrize("most, length", [(None, 48), (200, 48), (12, 12), (1, 1)])
def test_a_tuned_schedule_ends_with_the_run(most, length):
    face = "pnp_hvae", "vdvae-faces64", "resize", 3 / 255
    assert preset(*face, max_steps=most).settings["schedule"] == f"16:{length}:0.6"
    own = {"schedule": "5:20"}
    assert preset(*face, own, max_steps=12).settings["schedule"] == "5:20"


@pytest.mark.parametrize("level, tau", [(2.55, 0.95), (7.65, 0.8), (12.75, 0.6)])
def test_converted_published_weights_get_the_thesis_settings(level, tau):
    """Section 5.6: tau = 0.95, 0.8, 0.6 by noise, gamma = 10; no schedule, no views."""
    published = dataclasses.make_dataclass("Prior", ["config"])(PatchVDVAEConfig())
    name, _ = row(published, "published.safetensors", "of no bundled file")
    found = preset("pnp_hvae", name, "blur", level / 255)
    values = {"temperature": tau, "decoder_std": pytest.approx(10 / 255)}
    assert found.settings == values and "thesis' values" in found.note


def test_a_deviation_of_ones_own_is_meant_for_a_constant_run():
    for name in ("decoder_std", "encoder_noise"):
        found = preset("pnp_hvae", NATURAL, "blur", 0.03, {name: 0.1})
        assert "schedule" not in found.settings and found.tolerance is None
    tuned = preset("pnp_hvae", NATURAL, "blur", 0.03)
    assert tuned.tolerance == 0.03
    again = preset(
        "pnp_hvae", NATURAL, "blur", 0.03, {"schedule": tuned.settings["schedule"]}
    )
    assert again == tuned


def test_critics_are_turned_by_adam_which_goes_faster_for_loud_noise():
    def found(prior="alr-natural", noise=0.4, **given):
        return preset("variational", prior, "identity", noise, given).settings

    assert found()["turns"] and found("mine")["turns"]
    assert not found("glow-faces64")["turns"]
    rates = [found(noise=n)["learning_rate"] for n in (0.03, 0.2, 0.4)]
    assert rates == [0.1, 0.1, 0.2]
    assert found(learning_rate=0.05, turns=False)["learning_rate"] == 0.05
    literal = found(scaling="literal")
    assert not literal["turns"] and literal["learning_rate"] == 0.1
    assert set(found(descent="gradient_descent")) == {"weight", "descent"}


def test_the_users_settings_win():
    given = {"temperature": 0.5}
    found = preset("pnp_hvae", "mine", "blur", 0.03, given)
    assert found.settings["temperature"] == 0.5 and "no settings were tuned" in found[1]
    given |= {"decoder_std": 0.1}
    assert preset("pnp_hvae", "mine", "blur", 0.03, given).note == ""


def test_a_prior_that_is_not_told_the_noise_gets_no_wide_decoder():
    for prior in ("vdvae-faces64", "mine"):
        values = preset("pnp_hvae", prior, "identity", 25 / 255).settings
        assert values["decoder_std"] < 0.2 and values["temperature"] < 1


def test_the_file_decides_which_row():
    @dataclasses.dataclass
    class Prior:
        config: PatchVDVAEConfig

    told, plain = (Prior(PatchVDVAEConfig(noise_input=on)) for on in (True, False))
    assert row(plain, "copy.safetensors", BUNDLED[NATURAL]) == (NATURAL, "")
    name, line = row(told, "mine.safetensors", "0")
    assert name == NATURAL and "mine.safetensors" in line
    assert row(plain, f"folder/{NATURAL}", "0") == (f"folder/{NATURAL}", "")


def test_a_hole_is_told_from_missing_pixels():
    rng = np.random.default_rng(0)
    scattered = rng.random((32, 40, 1)) > 0.8
    hole = np.ones((32, 40, 3))
    hole[4:20, 8:30] = 0
    kinds = [kind_of("mask", Mask(jnp.asarray(m, float))) for m in (scattered, hole)]
    assert kinds == ["mask", "hole"]
    assert kind_of("mask", Mask(jnp.ones((4, 4, 1)))) == "mask"
    assert kind_of("identity", Identity()) == "identity"
    pixels, region = (preset("pnp_hvae", NATURAL, kind, 0.01) for kind in kinds)
    assert pixels.settings["schedule"] != region.settings["schedule"]
    plain = (preset("tv", "", kind, 0.01) for kind in kinds)
    assert len({str(found) for found in plain}) == 1
