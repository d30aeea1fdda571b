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
# Beyond ImageNet-C: groups by the name of their family.
MORE: dict[str, dict[str, str]] = {}
BUILT_IN = COMMON | EXTRA | {name: module for group in MORE.values() for name, module in group.items()}
FAMILIES = tuple(dict.fromkeys(COMMON.values()))
