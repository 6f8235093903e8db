"""The experiments by name; each is a module of this package."""

EXPERIMENTS: dict[str, str] = {
    "contraction": "does HVAE(., tau) bring two images closer? (figure 5.2)",
    "convergence": "PnP-HVAE against Adam on the same objective (figure 5.3)",
    "temperature": "PSNR against temperature, by noise level (figure 5.9)",
    "volume": "do later groups' volumes depend on earlier latents? (figure 5.1)",
    "iterated": "u <- HVAE(u, tau) again and again (figure A.1)",
    "deblurring": "natural images behind blur kernels (table 5.2)",
    "inpainting": "natural images with holes (table 5.3)",
    "faces": "faces: a hole, missing pixels, super-resolution (table 5.1)",
    "jpmap": "JPMAP and CSGM with a plain VAE, on faces (section 5.1)",
    "auto_temperature": "temperatures chosen without the original, against the best",
    "diverse": "many samples for small faces: quality, diversity (tables 6.2, 6.3)",
    "consistency": "how many latent groups a small image decides (figure 6.2)",
    "groups": "trains priors with few and many latent groups (table 5.4)",
}
