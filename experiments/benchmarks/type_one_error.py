"""How often do the tests cry wolf, and how often do the intervals hold the truth? Seeded simulation, on the CPU.

python experiments/benchmarks/type_one_error.py --studies 2000

Every study: G images with 5 questions each, right or wrong, answered by two arms on clean images and under 2
corruptions × 3 severities. An image shifts all of its answers (logit, standard deviation 1), each condition of an image
shifts both arms, and one arm against the other (0.7 each). The arms are exchangeable, so that neither loss nor excess
drop exists; for non-inferiority the second arm then loses exactly the margin. The studies of one size are the cells of
one ``ImageSums``, so what judges them is what judges a real study.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit

from robust_atp.declaration import Declaration
from robust_atp.image_sums import ImageSums
from robust_atp.report.tables.noninferiority import t_tests
from robust_atp.stats import maxt, mcnemar

QUESTIONS, CONDITIONS = 5, 7  # the first condition is clean
INTERCEPT, IMAGE, CONDITION, ARM = 0.8, 1.0, 0.7, 0.7
SHARE_LOST = 0.05  # of the right answers, in the studies of non-inferiority
_ANSWERS_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Rate:
    """How often something happened in ``studies`` simulated ones."""

    what: str
    images: int
    share: float
    studies: int

    @property
    def error(self) -> float:
        """Monte-Carlo standard error."""
        return float(np.sqrt(self.share * (1 - self.share) / self.studies))


def answers(studies: int, images: int, rng: np.random.Generator) -> np.ndarray:
    """Right or wrong [studies, images, questions, conditions, arm], without any effect of the arm."""
    each = (studies, images, 1)
    logits = (
        INTERCEPT
        + IMAGE * rng.normal(size=(*each, 1, 1))
        + CONDITION * rng.normal(size=(*each, CONDITIONS, 1))
        + ARM * rng.normal(size=(*each, CONDITIONS, 2))
    )
    shape = (studies, images, QUESTIONS, CONDITIONS, 2)
    return rng.random(shape) < expit(np.broadcast_to(logits, shape))


def accuracy() -> float:
    """Expected accuracy of every condition: the logit-normal mean by Gauss-Hermite quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(101)
    spread = np.sqrt(IMAGE**2 + CONDITION**2 + ARM**2)
    return float(weights @ expit(INTERCEPT + spread * nodes) / weights.sum())


def rates(studies: int, images: int, *, seed: int = 0, families: int = 200) -> Iterator[Rate]:
    """Error rates and coverage at nominal 5 % and 95 % with ``images`` images.

    ``families`` of the studies are also judged by maxT, which takes its time.
    """
    rng = np.random.default_rng([seed, images])
    at_once = max(1, _ANSWERS_AT_ONCE // (images * QUESTIONS * CONDITIONS * 2))
    parts = [answers(min(at_once, studies - k), images, rng) for k in range(0, studies, at_once)]
    right = np.concatenate(parts).astype(float)
    yield from _excess(right, families)
    yield from _loss(right[..., 0, :], rng)


def excess(right: np.ndarray) -> np.ndarray:
    """Excess drop of every question and corrupted condition [studies, images, questions, conditions - 1]."""
    drop = right[..., :1, :] - right[..., 1:, :]
    return drop[..., 1] - drop[..., 0]


def as_cells(per_question: np.ndarray) -> ImageSums:
    """Values [studies, images, ...] as sums per image, one cell per study."""
    num = per_question.reshape(*per_question.shape[:2], -1).sum(axis=-1).T  # [G, studies]
    cells = pd.DataFrame({"study": range(num.shape[1]), "scale": "loss"})
    return ImageSums(cells, num, np.full_like(num, float(np.prod(per_question.shape[2:]))))


def _excess(right: np.ndarray, families: int) -> Iterator[Rate]:
    studies, images = right.shape[:2]
    x = excess(right)
    sums = as_cells(x)
    tested, resampled = sums.t_table(), sums.table()
    yield Rate("mean excess drop, clustered t: type I", images, float((tested["p"] < 0.05).mean()), studies)
    yield Rate("mean excess drop, clustered t: coverage", images, _covered(tested, 0.0), studies)
    yield Rate("mean excess drop, bootstrap: coverage", images, _covered(resampled, 0.0), studies)
    by_cell = x.sum(axis=2)[:families]  # [families, G, cells]
    smallest = [maxt(differences, flips=999, rng=k).min() for k, differences in enumerate(by_cell)]
    yield Rate(
        "some of 6 cells, maxT: family-wise error",
        images,
        float(np.mean(np.array(smallest) < 0.05)),
        len(smallest),
    )
    raw = [as_cells(x[..., cell : cell + 1]).t_table()["p"] for cell in range(x.shape[-1])]
    yield Rate(
        "some of 6 cells, uncorrected: family-wise error",
        images,
        float((np.min(raw, axis=0) < 0.05).mean()),
        studies,
    )
    yield Rate(
        "loss pooled over 6 cells, plain McNemar: type I", images, _mcnemar(right[..., 1:, :]), studies
    )


def _loss(clean: np.ndarray, rng: np.random.Generator) -> Iterator[Rate]:
    """``clean`` [studies, images, questions, arm]."""
    studies, images = clean.shape[:2]
    tested = as_cells(clean[..., 0] - clean[..., 1]).t_table()
    yield Rate("clean loss, clustered t: type I", images, float((tested["p"] < 0.05).mean()), studies)
    yield Rate("clean loss, plain McNemar: type I", images, _mcnemar(clean), studies)
    margin = SHARE_LOST * accuracy()
    worse = clean[..., 1] * (rng.random(clean.shape[:-1]) >= SHARE_LOST)
    judged = t_tests(as_cells(clean[..., 0] - worse), Declaration(margin=margin))
    shown = float((judged["p_noninferior"] < 0.05).mean())
    yield Rate("loss equal to the margin, non-inferiority: type I", images, shown, studies)
    yield Rate("loss equal to the margin, clustered t: coverage", images, _covered(judged, margin), studies)


def _covered(table: pd.DataFrame, truth: float) -> float:
    return float(((table["lo"] <= truth) & (truth <= table["hi"])).mean())


def _mcnemar(right: np.ndarray) -> float:
    """Share of studies that mid-p McNemar on all answers, as if they were independent, rejects at 5 %."""
    first, second = (right[..., arm].reshape(len(right), -1) > 0 for arm in (0, 1))
    b, c = (first & ~second).sum(axis=1), (~first & second).sum(axis=1)
    return float(np.mean([mcnemar(int(i), int(j)) < 0.05 for i, j in zip(b, c, strict=True)]))


def main() -> None:
    """Print the rates as Markdown, one column per number of images."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--families", type=int, default=1000, help="studies judged by maxT")
    parser.add_argument("--images", type=int, nargs="+", default=[50, 100, 200])
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    columns = [
        list(rates(given.studies, images, seed=given.seed, families=given.families))
        for images in given.images
    ]
    print("| % | " + " | ".join(f"{images} images" for images in given.images) + " |")
    print("|---|" + "---:|" * len(columns))
    for row in zip(*columns, strict=True):
        cells = " | ".join(f"{100 * rate.share:.1f} ± {100 * rate.error:.1f}" for rate in row)
        print(f"| {row[0].what} | {cells} |")
    print(
        f"\n{given.studies} studies ({given.families} for maxT), {QUESTIONS} questions per image, seed {given.seed}"
    )


if __name__ == "__main__":
    main()
