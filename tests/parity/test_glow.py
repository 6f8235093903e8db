"""Our Glow gives the numbers of the authors' code."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import pytest

from jaxrestore.convert import to_state_dict
from jaxrestore.nets import flow_steps
from jaxrestore.nets.flow import CouplingNet, ZeroConvolution, squeeze, unsqueeze
from jaxrestore.nets.flow_steps import Coupling
from jaxrestore.priors.flow import steps
from jaxrestore.priors.flow.encoding import bits_per_dim
from tests.parity.glow import CENTRE, Golden, close


@pytest.fixture(scope="module")
def layers(request):
    return Golden(request, "glow_layers")


@pytest.fixture(
    scope="module",
    params=[pytest.param("glow_additive", marks=pytest.mark.slow), "glow_affine"],
)
def whole(request):
    golden = Golden(request, request.param)
    return golden, golden.prior()


def coupling(golden, kind, channels):
    features = channels // 2 * (1 if kind == "additive" else 2)
    return Coupling(kind, CouplingNet(golden.config["width"], features))


def compare_map(golden, name, apply):
    """y, log-determinant, and the gradient of <cotangent, y> + 0.7 log-determinant."""
    cotangent, of_log_det = golden.maps("cotangent"), golden["cotangent_logdet"]

    def score(x):
        y, log_det = apply(x)
        return jnp.vdot(cotangent, y) + of_log_det * jnp.sum(log_det), (y, log_det)

    x = golden.maps("x")
    (_, (y, log_det)), slope = jax.jit(jax.value_and_grad(score, has_aux=True))(x)
    close(y, golden.maps(f"{name}/y"))
    if f"{name}/logdet" in golden.arrays:
        theirs = golden[f"{name}/logdet"]
        close(log_det if theirs.ndim else log_det[0], theirs)
    close(slope, golden.maps(f"{name}/grad_x"))


def test_squeeze(layers):
    x = layers.maps("squeeze/x")
    close(squeeze(x), layers.maps("squeeze/y"), 0)
    close(unsqueeze(squeeze(x)), x, 0)


@pytest.mark.slow
def test_actnorm_whitens_a_batch(layers):
    mixing = {"matrix": jnp.eye(6)[None]}
    alone = layers.step("step_affine_plain/w/") | {"mixing": mixing}
    kind = coupling(layers, "affine", 6)
    found, _ = steps.set_actnorm(alone, kind, layers.maps("x"))
    theirs = layers["actnorm/loc"], layers["actnorm/scale"]
    for name, value in zip(("loc", "scale"), theirs, strict=True):
        close(found["actnorm"][name][0], value[0, :, 0, 0])
    linear, log_det = steps.prepared(found)
    scaled = layers.maps("x") @ linear["matrix"][0] + linear["offset"][0]
    close(scaled, layers.maps("actnorm/y"))
    close(4 * 6 * log_det[0], layers["actnorm/logdet"])


def test_channels_are_mixed(layers):
    mixing = layers.step("step_additive_lu/w/")["mixing"]
    own = layers.under("invconv_lu/w/")
    given = {"lower": "w_l", "upper": "w_u", "log_scale": "w_s", "sign": "s_sign"}
    factors = {ours: jnp.asarray(own[theirs]) for ours, theirs in given.items()}
    factors["order"] = jnp.asarray(own["w_p"].argmax(1), jnp.float32)
    assert factors.keys() == mixing.keys()
    plain = {"matrix": jnp.asarray(layers["invconv/w/weight"][:, :, 0, 0])}
    close(steps.matrix_of(factors)[0], layers["invconv_lu/W"])
    for name, mixing in (("invconv_lu", factors), ("invconv", plain)):
        matrix, log_det = steps.matrix_of(mixing)
        count = jnp.full(3, 4 * 6 * log_det)
        compare_map(layers, name, lambda x, m=matrix, d=count: (x @ m.T, d))


@pytest.mark.parametrize("kind", ["additive", "affine"])
def test_coupling(layers, kind):
    name = {"additive": "step_additive_lu", "affine": "step_affine_plain"}[kind]
    own = layers.under(f"{kind}/w/").items()
    layers.arrays |= {f"{kind}/w/coupling.{name}": value for name, value in own}
    layers.arrays |= {
        f"{kind}/w/{rest}": value
        for rest, value in layers.under(f"{name}/w/").items()
        if not rest.startswith("coupling")
    }
    net = jax.tree.map(lambda leaf: leaf[0], layers.step(f"{kind}/w/")["net"])
    rule = coupling(layers, kind, 6)

    def apply(x):
        a, b = jnp.split(x, 2, -1)
        c, log_det = rule.join(b, rule.raw(net, a))
        return jnp.concatenate([a, c], -1), log_det

    compare_map(layers, kind, apply)


def test_zero_convolution(layers):
    params = layers.zero_convolution("zeroconv/w/")
    apply = ZeroConvolution(5).apply
    x = layers.maps("x")
    close(apply({"params": params}, x), layers.maps("zeroconv/y"))


@pytest.mark.parametrize("name", ["step_additive_lu", "step_affine_plain"])
def test_step(layers, name):
    rule = coupling(layers, name.split("_")[1], 6)
    linear, log_det = steps.prepared(layers.step(f"{name}/w/"))

    def apply(x):
        y, of_coupling = flow_steps.encode(rule, linear, x)
        return y, of_coupling + 4 * 6 * log_det.sum()

    compare_map(layers, name, apply)
    y = apply(layers.maps("x"))[0]
    close(flow_steps.decode(rule, linear, y), layers.maps("x"), 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["block_split", "block_last"])
def test_block(layers, name):
    linear, log_det = steps.prepared(layers.step(f"{name}/w/flows.0."))
    rule = coupling(layers, "affine", 12)
    prior = {"params": layers.zero_convolution(f"{name}/w/prior.")}
    last = name == "block_last"

    @jax.jit
    def encode(x):
        out, of_coupling = flow_steps.encode(rule, linear, squeeze(x))
        kept, z = (jnp.zeros_like(out), out) if last else jnp.split(out, 2, -1)
        return kept, z, of_coupling + 2 * 3 * log_det.sum()

    @jax.jit
    def decode(kept, epsilon, whitened):
        raw = ZeroConvolution(2 * epsilon.shape[-1]).apply(prior, kept)
        mean, log_std = jnp.split(raw, 2, -1)
        z = jnp.where(whitened, mean + jnp.exp(log_std) * epsilon, epsilon)
        x = z if last else jnp.concatenate([kept, z], -1)
        return unsqueeze(flow_steps.decode(rule, linear, x)), mean, log_std

    kept, z, total = encode(layers.maps("squeeze/x"))
    close(total, layers[f"{name}/forward_logdet"])
    close(z, layers.maps(f"{name}/forward_z"))
    epsilon = layers.maps(f"{name}/eps")
    other = jnp.zeros_like(epsilon) if last else layers.maps(f"{name}/out")
    if not last:
        close(kept, layers.maps(f"{name}/forward_out"))
    for kind in ("whitened", "raw"):
        x, mean, log_std = decode(other, epsilon, kind == "whitened")
        close(x, layers.maps(f"{name}/reverse_{kind}"))
    close(mean, layers.maps(f"{name}/prior_mean"))
    close(log_std, layers.maps(f"{name}/prior_log_sd"))


def test_latents_and_density(whole):
    golden, prior = whole
    found = jax.jit(lambda p, x: p.encodings(x))(prior, golden.maps("x") + CENTRE)
    for block in range(prior.num_groups):
        group = prior.num_groups - 1 - block
        close(found.raw[group], golden.maps(f"z_{block}"))
        close(found.whitened[group], golden.maps(f"eps_{block}"))
        close(found.log_prior[:, group], golden[f"block_{block}/log_p"])
    close(found.log_det, golden["logdet"])
    close(found.log_prob, golden["log_p_x_nats"])
    bits = bits_per_dim(found.log_prob, golden["x"][0].size, 1)
    close(bits, golden["bits_per_dim_continuous"])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["whitened", "raw"])
def test_inverse_and_samples(whole, kind):
    golden, prior = whole
    groups = range(prior.num_groups - 1, -1, -1)
    name, suffix = {"whitened": ("eps", ""), "raw": ("z", "_raw")}[kind]
    given = [golden.maps(f"{name}_{i}") for i in groups]
    drawn = [golden.maps(f"sample/eps_{i}") for i in groups]
    several = [
        jnp.concatenate([a, b, 0 * a[:1]]) for a, b in zip(given, drawn, strict=True)
    ]
    decode = jax.jit(lambda p, z: jax.vmap(lambda z: p.decode(z, kind))(z))
    images = decode(prior, several)
    close(images[:2], golden.maps("x") + CENTRE)
    close(images[2:4] - CENTRE, golden.maps(f"sample/x{suffix}"))
    close(images[4:] - CENTRE, golden.maps(f"decode_zero{suffix}"))


@pytest.mark.slow
def test_analysis_of_the_prior_mean(whole):
    golden, prior = whole
    side = golden.config["S"]

    @jax.jit
    def energy(prior):
        centre = prior.prior_mean((side, side)).mean
        return sum(jnp.sum(z**2) for z in prior.encode(centre, "raw"))

    close(energy(prior), golden["analysis_of_decode_zero_sum_z2"])


@pytest.mark.slow
def test_training_loss_and_gradient(whole):
    golden, prior = whole
    levels = 2**5
    x = golden.maps("x") + golden.maps("train/u") / levels + CENTRE

    def loss(params):
        log_prob = replace(prior, params=params).encodings(x).log_prob
        return bits_per_dim(log_prob, x[0].size, levels).mean()

    value, slope = jax.jit(jax.value_and_grad(loss))(prior.params)
    close(value, golden["train/loss_bits_per_dim"])
    ours = to_state_dict(replace(prior, params=slope))
    for name, theirs in golden.under("grad/").items():
        close(ours[name], theirs)


@pytest.mark.slow
def test_first_batch_sets_actnorm(whole):
    golden, prior = whole
    found = jax.jit(lambda p, x: p.initialised(x))(
        prior, golden.maps("init/batch") + CENTRE
    )
    ours = to_state_dict(found)
    for name, theirs in golden.under("init/blocks").items():
        close(ours[f"blocks{name}"], theirs)
