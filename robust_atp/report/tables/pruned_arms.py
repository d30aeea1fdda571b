"""Working through a study one pruned arm at a time, for what does not fit into memory all at once."""

from dataclasses import dataclass
from typing import Any

from robust_atp.query import ARM, POPULATION, Records, equal, listed, query
from robust_atp.report.arms import Arm, Population

# The first images of a data set in the order of their hashes, so that every arm and every run has the same ones. More
# would narrow intervals that are narrow by then.
IMAGES = 300


@dataclass(frozen=True)
class PrunedArm:
    """An arm on one population: what one row of a table is about, less the condition."""

    population: Population
    arm: Arm

    def columns(self) -> dict[str, Any]:
        """Names and values in the order of every table."""
        return self.population._asdict() | self.arm._asdict()

    @property
    def own(self) -> str:
        """SQL condition that selects its rows."""
        return equal(self.columns())

    @property
    def own_and_unpruned(self) -> str:
        """SQL condition that selects its rows and those of the unpruned model beside it."""
        return f"{equal(self.population._asdict())} AND (pruner = 'none' OR {self.own})"

    def images(self, limit: int = IMAGES) -> str:
        """Subquery with the ids of the images that count, at most ``limit``."""
        return f"""(
            SELECT image_id FROM (SELECT DISTINCT image_id FROM records WHERE {self.own} AND intervention = 'clean')
            ORDER BY md5(image_id), image_id LIMIT {limit}
        )"""


def pruned_arms(records: Records) -> list[PrunedArm]:
    """Every pruned arm of every population, in a fixed order."""
    columns = (*POPULATION, *ARM)
    found = query(
        records,
        f"SELECT DISTINCT {listed(columns)} FROM records WHERE pruner <> 'none' ORDER BY ALL",
    )
    rows = found.itertuples(index=False, name=None)
    return [PrunedArm(Population(*row[: len(POPULATION)]), Arm(*row[len(POPULATION) :])) for row in rows]
