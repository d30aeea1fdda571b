"""How far a corrupted image is from the clean one."""

import cv2
import numpy as np

from corruptions.images import RGB


def psnr(clean: RGB, corrupted: RGB) -> float:
    """Peak signal-to-noise ratio 10 · log10(255² / mean squared difference) in dB; inf for equal images."""
    difference = clean.astype(np.float32) - corrupted
    squared = float(np.mean(difference * difference, dtype=np.float64))
    return float("inf") if squared == 0 else 10 * float(np.log10(255**2 / squared))


def ssim(clean: RGB, corrupted: RGB) -> float:
    """Structural similarity in [−1, 1], 1 for equal images; mean over channels and pixels.

    Gaussian window of sigma 1.5 px on 11 x 11 px, constants 0.01 and 0.03, only windows inside the image
    (Wang, Bovik, Sheikh & Simoncelli, IEEE TIP 2004). Both [H, W, 3] with sides of at least 11 px.
    """
    x, y = clean.astype(np.float32), corrupted.astype(np.float32)

    def local_mean(image: np.ndarray) -> np.ndarray:
        return np.asarray(cv2.GaussianBlur(image, (11, 11), 1.5))[5:-5, 5:-5]

    mean_x, mean_y = local_mean(x), local_mean(y)
    variance_x, variance_y = local_mean(x * x) - mean_x**2, local_mean(y * y) - mean_y**2
    covariance = local_mean(x * y) - mean_x * mean_y
    steady, contrast = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similarity = ((2 * mean_x * mean_y + steady) * (2 * covariance + contrast)) / (
        (mean_x**2 + mean_y**2 + steady) * (variance_x + variance_y + contrast)
    )
    return float(similarity.mean(dtype=np.float64))
