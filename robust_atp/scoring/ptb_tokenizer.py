"""Splitting captions into words as COCO's caption evaluation does: the Penn Treebank way, without punctuation."""

import re
import unicodedata
from collections.abc import Iterator

from robust_atp.scoring.ptb_rules import CONTRACTED, QUOTES, RULES

# Words in two halves although nothing stands between them, and where to cut.
_HALVES = {
    "cannot": 3, "gonna": 3, "gotta": 3, "lemme": 3, "gimme": 3, "wanna": 3, "'tis": 2, "'twas": 2, "more'n": 4,
}  # fmt: skip

# The official list. It spells brackets in capitals while words are lower-cased by then, so brackets stay.
_DROPPED = frozenset(("''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"))

_ALONE = {
    '"': "''", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-", "\N{POUND SIGN}": "#", "\N{CENT SIGN}": "cents",
    "\N{EURO SIGN}": "$", "\N{CURRENCY SIGN}": "$", "\N{EN DASH}": "--", "\N{EM DASH}": "--",
    "\N{HORIZONTAL BAR}": "--", "\N{HORIZONTAL ELLIPSIS}": "...", "\N{VULGAR FRACTION ONE HALF}": "1/2",
    "\N{VULGAR FRACTION ONE QUARTER}": "1/4",
    "\N{VULGAR FRACTION THREE QUARTERS}": "3/4", "\N{VULGAR FRACTION ONE THIRD}": "1/3",
    "\N{VULGAR FRACTION TWO THIRDS}": "2/3", "&lt;": "<", "&gt;": ">", "&quot;": "''", "&apos;": "'", "&nbsp;": "--",
}  # fmt: skip

_QUOTE_MARKS = str.maketrans(
    {
        "\u2018": "`", "\u2019": "'", "\u201b": "`", "\u201c": "``", "\u201d": "''", "\u2039": "`", "\u203a": "'",
        "\u00ab": "``", "\u00bb": "''", "\x91": "`", "\x92": "'", "\x93": "``", "\x94": "''",
    }
)  # fmt: skip
_INSIDE = str.maketrans({"(": "-lrb-", ")": "-rrb-", " ": "\u00a0", "\u00ad": None})

_RUN = re.compile(r"\.{3,5}|-{2,4}")  # as long as it is written "..." or "--"
_SPACE = re.compile(r"\s+")
# What an unadorned caption consists of; the rules need not be asked about it.
_PLAIN_WORD = re.compile(r"[A-Za-z]+(?=[ \n]|$)")


def ptb_tokenize(text: str) -> list[str]:
    """Split a caption into lower-case words without punctuation, as ``PTBTokenizer`` of pycocoevalcap does.

    Clitics come off ("can't" is ``ca n't``) and brackets are named (``-lrb-``); quotation marks, single marks of
    . , : ; ? ! and dashes go, but "!!" stays. Hyphenated words, numbers, abbreviations and acronyms stay whole; a
    token may hold a no-break space ("1 1/2"). Emoji and other characters without a rule are deleted.

    The official program asks Stanford CoreNLP 3.4.1. Its rules are rebuilt here from its answers, for what captions
    hold; tags with attributes, addresses without ``http``, and scripts added to Unicode since 2012 are approximated.
    """
    return [token for token in _tokens(text) if token not in _DROPPED]


def _tokens(text: str) -> Iterator[str]:
    place = 0
    while place < len(text):
        if space := _SPACE.match(text, place):
            place = space.end()
            continue
        plain = _PLAIN_WORD.match(text, place)
        raw = plain[0] if plain else _longest(text, place)
        place += len(raw)
        yield from _written(raw)


def _longest(text: str, place: int) -> str:
    matches = [match for rule in RULES if (match := rule.match(text, place))]
    return max(matches, key=_reach)[0]


def _reach(match: re.Match[str]) -> int:
    return match.end("ahead") if "ahead" in match.re.groupindex else match.end()


def _written(raw: str) -> list[str]:
    """The tokens that a piece of text is written as: none, one, or two for "cannot"."""
    if _RUN.fullmatch(raw) or _has_no_rule(raw):
        return []
    if raw in _ALONE:
        return [_ALONE[raw]]
    if CONTRACTED.fullmatch(raw) or QUOTES.fullmatch(raw):
        return [raw.lower().translate(_QUOTE_MARKS)]
    word = raw.lower().replace("&amp;", "&").translate(_INSIDE)
    cut = _HALVES.get(word, len(word))
    return [half for half in (word[:cut], word[cut:]) if half]


def _has_no_rule(raw: str) -> bool:
    # Emoji lie beyond the basic plane; controls, marks, spaces and private characters are no symbols either.
    return len(raw) == 1 and (raw > "\uffff" or unicodedata.category(raw)[0] in "CMZ")
