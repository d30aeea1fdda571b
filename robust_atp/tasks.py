"""What a data set asks of a backbone: it decides how the question is put, and how long the answer may be."""

SHORT_ANSWER = "short answer"
CAPTION = "caption"
TASKS = (SHORT_ANSWER, CAPTION)
