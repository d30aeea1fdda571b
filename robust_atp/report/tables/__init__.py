"""The tables of a report: one file per question that is put to the records."""
