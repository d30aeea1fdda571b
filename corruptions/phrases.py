"""The same question in other words, and among words that have nothing to do with it."""

import numpy as np

from corruptions.registry import register

# Five ways of asking, the further from the plain question the further down; each line says the same.
PARAPHRASES = (
    ("Please tell me: {question}", "Question: {question}", "Quick question: {question}"),
    (
        "Looking at the picture, {question}",
        "Judging by this photo, {question}",
        "From what you see, {question}",
    ),
    (
        "I would like to know the following about the picture. {question}",
        "Have a look at the picture and then answer this. {question}",
        "Here is something to find out from the picture. {question}",
    ),
    (
        "Suppose that somebody who cannot see the picture asked you this: {question} What would you reply?",
        "A friend is on the phone and asks about the picture: {question} What is your reply?",
    ),
    (
        "Imagine that you had to describe the picture to somebody, and that the one thing this person wanted to "
        "know was this: {question} Taking only what is visible into account, what would be the right answer?",
        "Before anything else is said about the picture, one matter has to be settled, and it is put to you in "
        "these words: {question} Going by what is visible, how would you settle it?",
    ),
)
# True of no picture in particular: they name nothing that could be seen.
DISTRACTORS = (
    "The meeting was moved to Thursday.",
    "Remember that the subscription renews every year.",
    "This message was written on a train.",
    "My sister prefers to travel early.",
    "The password must be changed once a month.",
    "Nobody was sure how long it would take.",
    "The bill had already been paid.",
    "In the end they agreed on a price.",
    "It had been a long week.",
    "The second chapter is better than the first.",
)


def place(text: str, rng: np.random.RandomState) -> float:
    """Draw U(0, 1): which of the phrases of a severity is taken."""
    return float(rng.random_sample())


@register("paraphrase", family="text", medium="text", severity={"templates": PARAPHRASES}, shared=place)
def paraphrase(text: str, *, shared: float, templates: tuple[str, ...]) -> str:
    """The same question asked in a more roundabout way."""
    return templates[int(shared * len(templates))].replace("{question}", text)


def sentences(text: str, rng: np.random.RandomState) -> list[str]:
    """Draw the order of the distracting sentences."""
    return [DISTRACTORS[index] for index in rng.permutation(len(DISTRACTORS))]


@register("distractor", family="text", medium="text", severity={"count": [1, 2, 3, 5, 8]}, shared=sentences)
def distractor(text: str, *, shared: list[str], count: int) -> str:
    """``count`` sentences before the question that have nothing to do with it."""
    return " ".join([*shared[:count], text])
