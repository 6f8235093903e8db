"""The command line: help, and mistakes as one line with status 2."""

import importlib

import pytest

from jaxrestore.cli.entry import run_command
from jaxrestore.experiments import EXPERIMENTS
from jaxrestore.experiments.command import main

pytestmark = pytest.mark.slow


def test_help_lists_every_experiment(capsys):
    assert run_command(main, ["experiments", "--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"\n  {name} " in text for name in EXPERIMENTS)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_help_of_an_experiment(name, capsys):
    module = importlib.import_module(f"jaxrestore.experiments.{name}")
    assert run_command(main, ["experiments", name, "--help"]) == 0
    text = capsys.readouterr().out
    assert "--images" in text
    assert module.__doc__.splitlines()[0] in text
    options = {f"--{flag}" for flag in module.QUICK}
    assert all(option in text for option in options)


IMAGES, VAL = "--images={0}/images", "--val={0}/images"


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "the first argument names the experiment"),
        (["dream"], "dream: no such experiment"),
        (["volume"], "--images, --out"),
        (["volume", "--images={0}/none"], "no such folder"),
        (["volume", "--images={0}"], "no image in this folder"),
        (["volume", "--images={0}", "--sed=1"], "did you mean --seed?"),
        (["volume", "--images={0}", "--temperature=2"], "--temperature=2: expected a"),
        (["volume", "--images={0}", "--noise=300"], "--noise=300: expected a level"),
        (["temperature", IMAGES, "--noise=0"], "--noise=0: expected a level above 0"),
        (["iterated", "--images={0}", "--steps=0"], "from 1 on"),
        (["volume", "--images={0}", "--prior=nobody"], "bundled prior"),
        (["volume", "--images={0}", "--prior=alr-natural"], "a Critic"),
        (
            ["iterated", IMAGES, "--prior={0}/vdvae.safetensors", "--crop=5"],
            "takes 8x8",
        ),
        (["denoising", IMAGES, VAL, "--priors=vae-faces64"], "is a VAE"),
        (["contraction", IMAGES, "--patch=99"], "--patch=99"),
        (["deblurring", IMAGES, VAL, "--ids=9", "--val_crop=8"], "--ids=9"),
        (
            ["groups", IMAGES, VAL, "--train={0}", "--config=vae_faces64"],
            "expected patch_vdvae",
        ),
    ],
)
def test_mistakes(folder, tmp_path, capsys, arguments, message):
    out = tmp_path / "out"
    arguments = [argument.format(folder) for argument in arguments]
    arguments += [f"--out={out}"] if len(arguments) > 1 else []
    assert run_command(main, ["experiments", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not out.exists()
