"""The recipe of the critic: criterion, penalty, schedule, two folders, records."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from jaxrestore.configfiles import load_config
from jaxrestore.data.pipeline import training_batches
from jaxrestore.data.sources import open_sources
from jaxrestore.errors import InputError
from jaxrestore.priors import Critic, CriticConfig, load_prior
from jaxrestore.training.config import train_config
from jaxrestore.training.recipes.adversarial import criterion, slope
from jaxrestore.training.recipes.alr import ALRRecipe
from tests.training import tiny
from tests.training.runs import read_rows, run

pytestmark = pytest.mark.slow


@pytest.fixture
def make_alr(image_folder):
    """Tiny config with overrides."""

    def make(**overrides):
        given = {"batch_size": 8, "total_steps": 4, "log_every": 1}
        given |= {"data.train": str(image_folder), "data.num_threads": 1}
        return tiny.make("alr", given | overrides)

    return make


def points(seed, count=5, width=6):
    return jax.random.normal(jax.random.key(seed), (count, width))


def test_criterion_of_a_linear_score():
    """r(z) = a.z: every term is known, with the signs of (3.7)."""
    a, clean, degraded = points(0, 1)[0], points(1), points(2)
    terms = criterion(lambda z: z @ a, clean, degraded, jnp.float32(0.3), 5.0)
    norm, gap = jnp.linalg.norm(a), (degraded.mean(0) - clean.mean(0)) @ a
    np.testing.assert_allclose(terms.gap, gap, rtol=1e-5)
    np.testing.assert_allclose(terms.slopes, jnp.full(5, norm), rtol=1e-5)
    np.testing.assert_allclose(terms.penalty, (norm - 1) ** 2, rtol=1e-4)
    np.testing.assert_allclose(terms.loss, 5 * (norm - 1) ** 2 - gap, rtol=1e-4)


@pytest.mark.parametrize("alpha", [jnp.float32(0.3), jnp.linspace(0, 1, 5)])
def test_slopes_are_taken_in_between(alpha):
    """r(z) = |z|^2 / 2 has slope |z|."""
    clean, degraded = points(1), points(2)
    terms = criterion(lambda z: (z**2).sum(1) / 2, clean, degraded, alpha, 5.0)
    share = jnp.broadcast_to(alpha, 5)[:, None]
    middle = share * clean + (1 - share) * degraded
    np.testing.assert_allclose(terms.slopes, jnp.linalg.norm(middle, axis=1), rtol=1e-5)


def small_score(params):
    return Critic(params, CriticConfig((3, 3), image_channels=1)).score_patches


@pytest.fixture(scope="module")
def params():
    config = CriticConfig((3, 3), image_channels=1)
    return Critic.create(config, jax.random.key(0)).params


def test_slope_against_finite_differences(params):
    patch, score = jax.random.normal(jax.random.key(1), (1, 7, 7, 1)), small_score
    step, basis = 1e-2, jnp.eye(49).reshape(49, 7, 7, 1)
    ahead, back = (score(params)(patch + s * basis) for s in (step, -step))
    numeric = np.linalg.norm((ahead - back) / (2 * step))
    np.testing.assert_allclose(slope(score(params), patch)[0], numeric, rtol=1e-3)


def test_gradient_of_the_penalty_against_finite_differences(params):
    patches = jax.random.normal(jax.random.key(1), (4, 7, 7, 1))

    def penalty(params):
        return jnp.mean((slope(small_score(params), patches) - 1) ** 2)

    gradient = jax.grad(penalty)(params)
    rng, step = np.random.default_rng(0), 1e-3
    for name, value in params.items():
        direction = jnp.asarray(rng.normal(size=value.shape), jnp.float32)
        ahead, back = (
            penalty(params | {name: value + s * direction}) for s in (step, -step)
        )
        inner = jnp.vdot(gradient[name], direction)
        np.testing.assert_allclose((ahead - back) / (2 * step), inner, 2e-2, 2e-3)


def test_a_dead_critic_has_finite_gradients(params):
    dead = jax.tree.map(jnp.zeros_like, params)
    patches = jnp.ones((2, 7, 7, 1))
    gradient = jax.grad(lambda p: slope(small_score(p), patches).sum())(dead)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


def test_noise_has_one_level_a_patch(make_alr):
    low, high = 0.05, 0.3
    settings = {"loss.min_noise_std": low, "loss.max_noise_std": high}
    recipe = ALRRecipe(make_alr(**settings))
    batch = {"degraded": jnp.full((400, 15, 15, 3), 0.5)}
    noise = recipe._degraded(batch, jax.random.key(0)) - 0.5
    levels = np.sort(noise.std((1, 2, 3)))
    np.testing.assert_allclose(levels, np.linspace(low, high, 400), atol=0.03)


def test_learning_rate_falls_exponentially(make_alr):
    recipe = ALRRecipe(make_alr())
    config = make_alr(total_steps=101, **{"optimizer.learning_rate": 1e-3})
    optimizer, sizes = recipe.optimizer(config), []
    weights = {"w": jnp.float32(1.0)}
    state = optimizer.init(weights)
    for _ in range(101):
        update, state = optimizer.update({"w": jnp.float32(1.0)}, state, weights)
        sizes.append(-float(update["w"]))  # a constant gradient: the rate itself
    np.testing.assert_allclose(sizes[::50], [1e-3, 10**-3.5, 1e-4], rtol=1e-3)


def test_records(make_alr, image_folder, tmp_path):
    steps = {"total_steps": 60, "eval_every": 30, "data.val": str(image_folder)}
    trainer = run(make_alr(**steps), tmp_path / "run")
    rows = [row for row in read_rows(tmp_path / "run") if row["val_gap"]]
    assert float(rows[-1]["val_gap"]) > 0
    names = ("clean", "noise_0.05", "noise_0.1", "noise_0.2", "noise_0.3")
    scores = [float(rows[-1][f"val_score_{name}"]) for name in names]
    assert scores == sorted(scores)
    sheets = {path.name for path in (tmp_path / "run" / "sheets").iterdir()}
    wanted = {"curves_gap.png", "curves_slope.png", "step_0000060_scores.png"}
    assert wanted <= sheets
    path = tmp_path / "c.safetensors"
    trainer.recipe.export(jax.device_get(trainer.state.ema), str(path), {"config": ""})
    assert load_prior(path).config == trainer.recipe.model


@pytest.fixture
def degraded_folder(tmp_path):
    """Eleven grey-ish noisy images of other sizes."""
    folder, rng = tmp_path / "degraded", np.random.default_rng(5)
    folder.mkdir()
    for i in range(11):
        pixels = rng.integers(90, 160, (20 + i, 33 - 2 * i, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:02d}.png")
    return folder


def test_two_unpaired_folders(make_alr, degraded_folder, image_folder, tmp_path):
    folders = {
        "data.degraded": str(degraded_folder),
        "data.val": str(image_folder),
        "data.degraded_val": str(degraded_folder),
    }
    config = make_alr(total_steps=100, eval_every=100, **folders)
    batches = training_batches(open_sources(config.data, "train"), config.data, 8, 0)
    batch = next(batches)
    batches.close()
    assert batch["image"].shape == batch["degraded"].shape == (8, 7, 7, 3)
    assert batch["degraded"].min() > 0.3 and batch["degraded"].max() < 0.65
    np.testing.assert_array_equal(
        ALRRecipe(config)._degraded(batch, jax.random.key(0)), batch["degraded"]
    )
    noisy = make_alr(**folders, **{"loss.add_noise": True})
    added = ALRRecipe(noisy)._degraded(batch, jax.random.key(0)) - batch["degraded"]
    assert 0.05 < added.std() < 0.3
    trainer = run(config, tmp_path / "run")
    row = read_rows(tmp_path / "run")[-1]
    assert float(row["val_score_degraded"]) > float(row["val_score_clean"])
    assert int(trainer.state.skipped) == 0
    (degraded_folder / "more.png").write_bytes(
        (degraded_folder / "00.png").read_bytes()
    )
    with pytest.raises(InputError, match=r"config\.data\.degraded="):
        run(config, tmp_path / "run")


def test_an_unreadable_degraded_file(make_alr, degraded_folder, tmp_path, capsys):
    (degraded_folder / "05.png").write_bytes(b"not a picture")
    config = make_alr(**{"data.degraded": str(degraded_folder)})
    with pytest.raises(InputError, match=r"05\.png cannot be read"):
        run(config, tmp_path / "run")
    for cache in (True, False):
        setting = {"data.unreadable": "skip", "data.cache": cache}
        config = make_alr(**{"data.degraded": str(degraded_folder)}, **setting)
        assert len(open_sources(config.data, "train")["degraded"]) == 10
        assert "left out: image" in (said := capsys.readouterr().err)
        assert "05.png" in said and said.count("\n") == 1
    assert run(config, tmp_path / "run").step == 4
    for path in degraded_folder.iterdir():
        path.write_bytes(b"not a picture")
    with pytest.raises(InputError, match="none of its 11 images"):
        open_sources(config.data, "train")


def test_streams_are_not_paired(make_alr):
    config = make_alr()
    batches = training_batches(open_sources(config.data, "train"), config.data, 64, 0)
    batch = next(batches)
    batches.close()
    equal = np.all(batch["image"] == batch["degraded"], axis=(1, 2, 3))
    assert not equal.any()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("data.patch_size", 9),
        ("data.channels", 1),
        ("data.degraded", ""),
        ("loss.min_noise_std", 0.5),
        ("loss.interpolation", "all"),
        ("loss.penalty_weight", 0.0),
    ],
)
def test_settings_that_do_not_fit(make_alr, field, value):
    with pytest.raises(InputError, match=rf"config\.{field}={value}|{value!r}"):
        ALRRecipe(make_alr(**{field: value}))


def test_degraded_images_to_validate_on(make_alr, image_folder):
    with pytest.raises(InputError, match="degraded_val"):
        make_alr(**{"data.val": str(image_folder), "data.degraded": "somewhere"})


def test_configs():
    natural, single = (
        train_config(load_config(name, "train"), **{"data.train": "anywhere"})
        for name in ("alr_natural", "alr_noise01")
    )
    assert natural.model == CriticConfig()
    assert (natural.loss.min_noise_std, natural.loss.max_noise_std) == (0.05, 0.45)
    assert (single.loss.min_noise_std, single.loss.max_noise_std) == (0.1, 0.1)
    for config in (natural, single):
        ALRRecipe(config)
