"""One row per pruner of a reported study: accuracy, excess drop, stability, object lift and cost at one budget.

robust-atp run experiments/all_pruners.yaml --out runs/all && robust-atp report runs/all
python experiments/benchmarks/pruner_table.py runs/all --keep 0.28
"""

import argparse
from pathlib import Path

import pandas as pd


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="folder of a study with its report")
    parser.add_argument("--keep", type=float, required=True)
    arguments = parser.parse_args()
    tables = arguments.folder / "report" / "tables"

    def read(name: str) -> pd.DataFrame:
        rows = pd.read_csv(tables / f"{name}.csv")
        return rows[(rows.keep == arguments.keep) | (rows.pruner == "none")].set_index("pruner")

    overview, cost, excess = read("overview"), read("cost"), read("mean_excess_drop")
    stability, recall = read("kept_token_stability"), read("probe_kept_token_recall")
    lift = recall[(recall.quantity == "lift") & (recall.intervention == "clean")].value
    clean, corrupted = (overview[overview.condition == which].value for which in ("clean", "corrupted"))
    kappa = stability.groupby("pruner").kappa.mean()
    unpruned_flops = cost.prefill_flops["none"]
    print(
        "| pruner | tokens, layer mean | clean % | corrupted % | excess drop, points | κ | object lift | FLOPs % |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for pruner in clean.sort_values(ascending=False).index:
        extra = "–"
        if pruner in excess.index:
            row = excess.loc[pruner]
            extra = f"{100 * row.value:+.1f} [{100 * row.lo:+.1f}, {100 * row.hi:+.1f}]"
        print(
            f"| {pruner} | {cost.tokens_mean[pruner]:.0f} | {100 * clean[pruner]:.1f} | {100 * corrupted[pruner]:.1f} "
            f"| {extra} | {kappa.get(pruner, float('nan')):.2f} | {lift.get(pruner, float('nan')):.1f} "
            f"| {100 * cost.prefill_flops[pruner] / unpruned_flops:.0f} |"
        )


if __name__ == "__main__":
    main()
