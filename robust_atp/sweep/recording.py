"""What a study asks to have recorded beside the ordinary columns."""

from collections.abc import Sequence

import pyarrow as pa
from torch import Tensor

from robust_atp.records import schema


def with_scores(rows: pa.Table, scores: Sequence[Sequence[Tensor] | None]) -> pa.Table:
    """Add the column ``scores`` to the rows of a unit: for each arm the scores [N] of Q questions, or None.

    The rows come in the order arm, question. Rows beyond those of the arms have no scores.
    """
    questions = max((len(of_arm) for of_arm in scores if of_arm is not None), default=0)
    values = [
        value if value is None else value.numpy()
        for of_arm in scores
        for value in ([None] * questions if of_arm is None else of_arm)
    ]
    field = schema(["scores"]).field("scores")
    column = pa.array(values + [None] * (rows.num_rows - len(values)), field.type)
    return rows.append_column(field, column)
