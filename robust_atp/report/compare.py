"""Several studies side by side: their headline, arm by arm."""

from collections.abc import Mapping

import pandas as pd

from robust_atp.query import ARM, POPULATION, Records
from robust_atp.report.tables.accuracy import overview
from robust_atp.report.tables.excess import mean_excess_drop

COLUMNS = (
    *("study", *POPULATION, *ARM, "clean", "corrupted", "tokens", "excess", "lo", "hi"),
    *("detectable", "answers", "images"),
)


def compare(studies: Mapping[str, Records]) -> pd.DataFrame:
    """Clean and corrupted accuracy, tokens and mean excess drop of every arm of every study, shares in [0, 1].

    ``studies`` maps names to records. Rows of one population and arm stand together, in the order of the
    studies. The intervals are each study's own: studies that share images are not independent, and a difference
    between two of them has no interval here.
    """
    tables = [_headline(records).assign(study=name) for name, records in studies.items()]
    order = {name: number for number, name in enumerate(studies)}
    rows = pd.concat(tables).assign(place=lambda table: table["study"].map(order))
    rows["unpruned first"] = rows["pruner"] != "none"
    keys = ["unpruned first", *POPULATION, "pruner", "keep", "place"]
    return rows.sort_values(keys, ascending=[*[True] * 5, False, True], ignore_index=True)[list(COLUMNS)]


def _headline(records: Records) -> pd.DataFrame:
    subject = [*POPULATION, *ARM]
    both = overview(records).pivot(index=subject, columns="condition", values=["value", "tokens_mean"])
    both = both.reindex(columns=["clean", "corrupted"], level="condition")
    tokens = both["tokens_mean"].to_numpy(float).mean(axis=1)
    accuracy = both["value"].assign(tokens=tokens).reset_index()
    excess = mean_excess_drop(records).rename(columns={"value": "excess"})
    wanted = [*subject, "excess", "lo", "hi", "detectable", "answers", "images"]
    return accuracy.merge(excess[wanted], on=subject, how="left")
