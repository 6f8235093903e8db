"""Claims about the methods as commands: python -m jaxrestore.experiments --help.

An experiment is a module of this package, named in `EXPERIMENTS`, with

    Config                dataclass of its settings, a `settings.Config`
    QUICK                 setting -> value for --quick, for runs of seconds
    run(config, report)   computes, then hands `report` rows, a picture and a table

and a docstring that `--help` prints.
"""

EXPERIMENTS: dict[str, str] = {
    "contraction": "does HVAE(., tau) bring two images closer? (figure 5.2)",
    "convergence": "PnP-HVAE against Adam on the same objective (figure 5.3)",
    "temperature": "PSNR against temperature, by noise level (figure 5.9)",
    "volume": "do later groups' volumes depend on earlier latents? (figure 5.1)",
    "bound": "does a step contract? the bound of Corollary 1 for your operator",
    "iterated": "u <- HVAE(u, tau) again and again (figure A.1)",
    "noise": "estimated noise levels against the true ones, blur, clipping, JPEG",
    "denoising": "white noise: total variation and critics (table 3.2)",
    "critics": "critics trained on single levels and on an interval (table 3.1)",
    "jpeg": "JPEG artefacts: PSNR by quality, and the cells that are kept",
    "deblurring": "natural images behind blur kernels (table 5.2)",
    "blind_kernel": "blur kernels estimated from the photograph, against the true ones",
    "inpainting": "natural images with holes (table 5.3)",
    "faces": "faces: a hole, missing pixels, super-resolution (table 5.1)",
    "jpmap": "JPMAP and CSGM with a plain VAE, on faces (section 5.1)",
    "posterior": "VBLE and VBLE-xz: quality, and whether their deviation is right",
    "satellite": "simulated panchromatic images of 12 bits: VBLE, PnP-HVAE, TV",
    "calibration": "Gibbs draws with a hierarchical VAE: quality, coverage, mixing",
    "flows": "analysis and synthesis with a flow, on faces (Oberlin and Verm, table 1)",
    "flow_starts": "where descent in z and in x ends, by start, descent and lambda",
    "auto_settings": "settings chosen without the original, against the best",
    "diverse": "many samples for small faces: quality, diversity (tables 6.2, 6.3)",
    "consistency": "how many latent groups a small image decides (figure 6.2)",
    "groups": "trains priors with few and many latent groups (table 5.4)",
}
