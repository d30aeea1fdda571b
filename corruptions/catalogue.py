"""The types that come with the package, listed without importing them."""

# Name -> module below ``corruptions``. A new type of our own is one file and one line here; the order is that
# of ImageNet-C, which tables and figures follow.
COMMON = {
    "gaussian_noise": "noise",
    "shot_noise": "noise",
    "impulse_noise": "noise",
    "defocus_blur": "blur",
    "glass_blur": "blur",
    "motion_blur": "blur",
    "zoom_blur": "blur",
    "snow": "weather",
    "frost": "weather",
    "fog": "weather",
    "brightness": "weather",
    "contrast": "digital",
    "elastic_transform": "digital",
    "pixelate": "digital",
    "jpeg_compression": "digital",
}
EXTRA = {
    "speckle_noise": "noise",
    "gaussian_blur": "blur",
    "spatter": "weather",
    "saturate": "digital",
}
FAMILIES = tuple(dict.fromkeys(COMMON.values()))

# Beyond ImageNet-C: family -> its types.
MORE = {
    "imagenet_c_bar": {
        "blue_noise_sample": "spectral",
        "brownish_noise": "spectral",
        "caustic_refraction": "caustics",
        "checkerboard_cutout": "checkerboard",
        "cocentric_sine_waves": "waves",
        "inverse_sparkles": "sparkles",
        "perlin_noise": "perlin",
        "plasma_noise": "waves",
        "single_frequency_greyscale": "waves",
        "sparkles": "sparkles",
    },
    "occlusion": {
        "occlusion": "occlusion",
        "occlude_object": "occlusion",
        "occlude_background": "occlusion",
    },
    "camera": {
        "rotation": "camera",
        "low_light": "exposure",
        "underexposure": "exposure",
        "overexposure": "exposure",
        "colour_cast": "exposure",
    },
    "transport": {
        "jpeg2000_compression": "transport",
        "webp_compression": "transport",
        "resampling": "transport",
        "packet_loss": "transport",
    },
    "background": {"background_swap": "background"},
    "text": {
        "typos": "typos",
        "paraphrase": "phrases",
        "distractor": "phrases",
        "casing": "wording",
        "word_order": "wording",
    },
}
BUILT_IN = COMMON | EXTRA | {name: module for group in MORE.values() for name, module in group.items()}
