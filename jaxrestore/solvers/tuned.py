"""Numbers that were tuned on validation images; `presets` hands them out."""

# prior -> task -> noise level -> values, linear in between, constant outside. Levels
# and deviations of 255.
CONSTANT: dict[str, dict[str, dict[float, tuple]]] = {
    "patch-vdvae-natural": {
        "blur": {2.55: (0.95, 14, 9), 7.65: (0.95, 18, 9), 12.75: (0.95, 20, 8)},
        "downsample": {3: (0.95, 20, 9)},
        # Low: the result then holds where another filter was used than is assumed.
        "resize": {0.5: (0.95, 3, 9), 3: (0.95, 20, 9)},
        "mask": {3: (0.95, 20, 9)},
        # The encoder is told the noise level itself, and the wide p(x | z) leaves x at
        # the observation: the decoder mean is one pass of the denoiser.
        "identity": {1: (1.0, 255, 1), 50: (1.0, 255, 50)},
    },
    # The best of temperatures 0.4 to 0.95 and deviations 5 to 40 on 8 to 24 faces that
    # the prior was not trained on.
    "vdvae-faces64": {
        "blur": {3: (0.8, 10), 8: (0.8, 10)},
        "downsample": {3: (0.6, 10)},
        "resize": {3: (0.6, 10)},
        "mask": {3: (0.9, 20)},
        "hole": {3: (0.4, 10)},
        "identity": {5: (0.95, 5), 25: (0.8, 10)},
    },
}
# The same of runs with a schedule, and after them the deviation that it begins with
# (the told noise in proportion) and its length.
CONTINUED: dict[str, dict[str, dict[float, tuple]]] = {
    "patch-vdvae-natural": {
        "blur": {
            2.55: (0.95, 9.4, 6.5, 102, 8),
            7.65: (0.95, 11.5, 7, 80, 8),
            12.75: (0.95, 28, 14, 98, 8),
        },
        "downsample": {3: (0.95, 12.6, 4, 155, 8)},
        "mask": {3: (0.95, 4.5, 2, 78, 16)},
        "hole": {3: (0.8, 2.6, 2, 26, 16)},
    },
    "vdvae-faces64": {
        "blur": {3: (0.65, 3, 24, 48), 8: (0.65, 4, 40, 48)},
        "downsample": {3: (0.65, 4, 64, 64)},
        "resize": {3: (0.65, 4, 64, 48)},
        "mask": {3: (0.9, 8, 64, 48)},
        "hole": {3: (0.6, 4, 160, 48)},
        "identity": {5: (0.95, 4, 8, 16), 25: (0.75, 5, 40, 32)},
    },
}
# What the schedule's first temperature is of the last: faces begin as their mean.
FIRST_TAU = {
    "vdvae-faces64": {
        "blur": 0.8,
        "downsample": 0.6,
        "resize": 0.6,
        "mask": 0.7,
        "hole": 0.6,
        "identity": 0.7,
    }
}
VIEWS = {"patch-vdvae-natural": "shifts", "vdvae-faces64": "horizontal"}
# Where one evaluation is all, the mean over the views takes the place of a schedule's.
AVERAGED = {("patch-vdvae-natural", "identity")}
# What begins where total variation ends.
TV_STARTS = {("patch-vdvae-natural", "hole")}
# The tolerance that ends a run with its schedule: held on, the natural prior loses 0.2
# to 0.5 dB in eight evaluations.
ENDS = {"patch-vdvae-natural": 0.03}
# Natural images; the released code's decoder deviation, 10/255, at every level.
THESIS = {
    "blur": {2.55: (0.95, 10), 7.65: (0.8, 10), 12.75: (0.6, 10)},
    "downsample": {3: (0.8, 10)},
    "resize": {3: (0.8, 10)},
    "mask": {3: (0.6, 10)},
    "identity": {2.55: (0.95, 10), 7.65: (0.8, 10), 12.75: (0.6, 10)},
}

# A critic's weight for the "pixel" scaling; levels in [0, 1].
WEIGHTS = {
    "identity": {0.1: 0.125, 0.2: 0.2, 0.4: 0.3},
    "blur": {0.03: 0.05},
    "downsample": {0.03: 0.03},
    "resize": {0.03: 0.03},
    "mask": {0.03: 0.07},
}
# The weights of the thesis (3.4.1), for the "literal" scaling of eq. (3.4).
PUBLISHED_WEIGHTS = {0.05: 0.15, 0.1: 0.35, 0.2: 0.6, 0.3: 0.8, 0.4: 1.0}

# Total variation: weight times noise level.
TV = {"identity": 1.0, "blur": 0.2, "downsample": 0.1, "resize": 0.1, "mask": 0.1}
