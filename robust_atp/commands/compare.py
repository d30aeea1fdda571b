"""``robust-atp compare``: the headline of several studies side by side."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

EXAMPLES = """examples:
  robust-atp compare runs/llava-7b runs/llava-13b
  robust-atp compare runs/*/ --csv compared.csv"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "folders", metavar="DIR", type=Path, nargs="+", help="folders of studies, at least two"
    )
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write all columns, unrounded, here")


def main(args: argparse.Namespace) -> int:
    """Print one line per study and arm; equal arms stand together."""
    from robust_atp.errors import UserError
    from robust_atp.report.compare import compare
    from robust_atp.sweep.results import open_results

    folders = list(dict.fromkeys(folder.resolve() for folder in args.folders))
    if len(folders) < 2:
        raise UserError(f"compare takes at least two different folders of studies; got {len(folders)}")
    table = compare({str(given): open_results(given) for given in args.folders})
    print(_in_points(table).to_string(index=False))
    if args.csv is not None:
        table.to_csv(args.csv, index=False)
    return 0


def _in_points(table: "pd.DataFrame") -> "pd.DataFrame":
    from robust_atp.report.arms import Arm
    from robust_atp.report.figures.style import points

    def excess(row: "pd.Series") -> str:
        if row["excess"] != row["excess"]:
            return ""
        return f"{points(row['excess'])} [{points(row['lo'])}, {points(row['hi'])}]"

    import pandas as pd

    return pd.DataFrame(
        {
            "arm": [Arm(*row).label for row in table[list(Arm._fields)].itertuples(index=False, name=None)],
            "study": table["study"],
            "backbone": table["backbone"],
            "data": table["dataset"] + "/" + table["split"],
            "tokens": table["tokens"].map("{:.0f}".format),
            "clean %": table["clean"].map(lambda share: f"{100 * share:.1f}"),
            "corrupted %": table["corrupted"].map(lambda share: f"{100 * share:.1f}"),
            "excess drop, points": table.apply(excess, axis=1),
        }
    )
