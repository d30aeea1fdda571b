"""What counts as one token in the Penn Treebank tokenization of captions: of all patterns that match, the longest.

A lookahead named ``ahead`` counts towards the length: ``ca`` before ``n't`` beats the three letters of ``can``.
"""

import re

# [^\W\d_] also holds fractions, superscripts and Roman numerals, which are symbols here; combining accents, the soft
# and the non-breaking hyphens are letters.
_SYMBOLS = r"[\u00b2\u00b3\u00b9\u00bc-\u00be\u2070-\u218b\u2460-\u24ff]"
_LETTER = rf"(?:(?!{_SYMBOLS})[^\W\d_]|[\u0300-\u036f\u00ad\u2010\u2011])"
_APOSTROPHE = r"['\u2019\u0092]"
_CLITIC = f"{_APOSTROPHE}(?:[msdMSD]|re|ve|ll|RE|VE|LL)"
_NOT = f"[nN]{_APOSTROPHE}[tT]"
CONTRACTED = re.compile(f"{_CLITIC}|{_NOT}")
QUOTES = re.compile(r"'{1,2}|`{1,2}|[\u2018\u2019\u201b-\u201d\u2039\u203a\u00ab\u00bb\u0091-\u0094]{1,2}")
_WORD = rf"{_LETTER}(?:{_LETTER}|\d)*(?:[.!?]{_LETTER}(?:{_LETTER}|\d)*)*"
_NUMBER = r"[-+]?(?:\d+(?:[.:,]\d+)*|(?:[.:,]\d+)+)"
_SLASHED = "[A-Za-z0-9]+(?:-[A-Za-z]+){0,2}"
_GAP = r"[- \u00a0]"

# Abbreviations keep their period: most in any spelling, those that are words of their own with a capital only,
# some before a number only.
_ABBREVIATIONS = """
    ph[.]d ed[.]d mr mrs ms dr drs profs? sens? reps? govs? lt col gen sgt capt cpl pvt maj adm rev hon pres lieut brig
    comdr cmdr pfc spc supts? det attys? messrs mme mlle msgr ste? ave mt ft vs alex wm jos cie asst insp treas adj ens
    jan feb mar apr jun jul aug sept? oct nov dec mon tues? wed thu thurs fri blvd rd jr sr bros esq inc cos? corp ltd
    plc bancorp ptys? pte dept bhd assn assoc univ intl sys invt elec natl mfg mtg bldg etc al seq cf sq tel est ext ph
    calif conn fla ariz ala colo dak ga ind kans? ky md mich minn mo mont neb nev okla penn tenn va vt wisc? wyo
"""
_CAPITALISED = "Mass Ill Tex Wash La Ore Pa Miss Ark Del MASS ILL TEX WASH LA ORE PA MISS ARK DEL"
_BEFORE_NUMBERS = "nos? art prop figs? ca op pp"
_FILES = "jpe?g|png|gif|bmp|html?|txt|pdf|mp3|mpg|mov|zip|doc|exe|php|xml|py"


def _any_of(words: str) -> str:
    return "|".join(words.split())


_WITH_APOSTROPHE = (
    f"(?:[A-Za-z0-9]+-)*[dDoOlL]{_APOSTROPHE}{_LETTER}+(?:-[A-Za-z0-9]+)*",  # o'clock, O'Brien, 5-o'clock
    f"[A-HJ-XZn]{_APOSTROPHE}{_LETTER}{{2,}}",
    f"{_LETTER}+[aeiouyAEIOUY]{_APOSTROPHE}[aeiouA-Z]{_LETTER}*",  # Hallowe'en, ma'am
    f"[lLdDjJ]{_APOSTROPHE}",
    f"[yY]{_APOSTROPHE}(?={_LETTER})",  # y'all is two words
    f"(?:Dunkin|somethin|ol){_APOSTROPHE}",
    f"{_APOSTROPHE}n(?:{_APOSTROPHE}|(?![A-Za-z]))",  # rock 'n' roll
    rf"{_APOSTROPHE}(?:em|till?|cause|[2-9]0s|\d\d(?=[,;.!?]?(?:\s|$)))",
    "c'mon|s'mores|ev'ry|li'l|nat'l|e'er|o'er|ne'er|cap'n|cont'd|nor'easter",
)

_PATTERNS = (
    # words
    _WORD,
    f"{_WORD}(?=(?P<ahead>{_CLITIC}))",
    f"{_LETTER}+(?=(?P<ahead>{_NOT}))",
    f"(?:{_CLITIC}|{_NOT})(?![A-Za-z])|(?!'){_CLITIC}",  # a typographic apostrophe minds no letter after
    *_WITH_APOSTROPHE,
    "(?i:cannot|gonna|gotta|lemme|gimme|wanna|'tis|'twas|more'n)",
    rf"(?i:{_any_of(_ABBREVIATIONS)}|[a-z])\.",
    rf"(?:{_any_of(_CAPITALISED)})\.",
    rf"(?i:{_any_of(_BEFORE_NUMBERS)})\.(?=(?P<ahead>[ \u00a0]?\d))",
    rf"(?:{_WORD}|[A-Za-z0-9]+)\.(?=(?P<ahead>,))",
    r"[A-Za-z](?:\.[A-Za-z])+\.?",  # U.S.
    "[A-Z]+(?:(?:[+&]|&amp;)[A-Z]+)+",  # AT&T
    r"[cC]\+\+|[cCfF]#",
    # compounds
    r"[A-Za-z0-9][A-Za-z0-9.,\u00ad]*(?:-(?:[A-Za-z](?:\.[A-Za-z])+\.|[A-Za-z0-9\u00ad]+))+",
    rf"(?:{_LETTER}|\d)+(?:[-_](?:{_LETTER}|\d)+)*",
    rf"{_SLASHED}(?:\\?/{_SLASHED}){{1,2}}",
    # numbers, fractions, dates, telephones, currencies
    _NUMBER,
    rf"(?:\d{{1,4}}{_GAP})?\d{{1,4}}(?:\\?/|\u2044)\d{{1,4}}",
    r"\d{1,2}[-/]\d{1,2}[-/]\d{2,4}",
    rf"(?:\(\d{{2,3}}\)[ \u00a0]?|\+{{0,2}}(?:\d{{2,4}}{_GAP})?\d{{2,4}}{_GAP})\d{{3,4}}{_GAP}?\d{{3,5}}",
    r"[A-Z]*\$",
    # files, addresses, tags, faces
    rf"(?:{_LETTER}|\d)+(?:\.(?:{_LETTER}|\d)+)*\.(?i:{_FILES})(?=[\s.,!?]|$)",
    r"https?://[^ \t\"<>|(){}]+[^ \t\"<>|.!?(){},-]",
    r"[A-Za-z0-9][^ \t\"<>|()]*@(?:[^ \t\"<>|().]+\.)*[^ \t\"<>|().]+",
    "#[A-Za-z][A-Za-z0-9]*|@[A-Za-z_][A-Za-z0-9_]*",
    "</?[A-Za-z][A-Za-z0-9_:.-]*(?: +[A-Za-z][A-Za-z0-9_:.-]*)* */?>",
    r"[<>]?[:;=]['`]?[-o*']?[()DPdpO\]{@\\](?![A-Za-z0-9])|\^_\^|-_-",
    # punctuation and symbols; whatever else there is stands alone
    "&(?:amp|lt|gt|quot|apos|nbsp);",
    f"{QUOTES.pattern}|[\u201a\u201e\u201f]+",
    r"[!?]+|\.{3,5}|-{5,}|-{2,4}|\*+|#+|_+|@+|<<|>>",
    r"\S",
)

RULES = tuple(re.compile(pattern) for pattern in _PATTERNS)
