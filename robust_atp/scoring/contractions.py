"""Misspelt contractions that the official VQAv2 normalisation repairs."""

# What the official table repairs to. Absences are official too: "its", "lets", "shes" and "ill" stay as they
# are, and so do "im" and "ive", whose official keys are capitalised while answers are lower-cased first.
_REPAIRED = """
    ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't
    he'd he'd've he's how'd how'll how's isn't it'd it'd've it'll ma'am might've mightn't mightn't've
    must've mustn't needn't not've o'clock 'ow's'at oughtn't shan't she'd've should've shouldn't
    shouldn't've somebody'd've somebody'll somebody's someone'd someone'd've someone'll someone's
    something'd something'd've something'll that's there'd there'd've there're there's they'd they'd've
    they'll they're they've 'twas wasn't we'd've we've weren't what'll what're what's what've when's where'd
    where's where've who'd who'd've who'll who's who've why'll why're why's won't would've wouldn't
    wouldn't've y'all y'all'll y'all'd've you'd you'd've you'll you're you've
"""


def _without_one_apostrophe(word: str) -> list[str]:
    return [word[:i] + word[i + 1 :] for i, letter in enumerate(word) if letter == "'"]


# The official keys are the repaired words with exactly one apostrophe missing ("couldnt've" and "couldn'tve",
# but not "couldntve"). One entry runs the other way.
CONTRACTIONS = {
    misspelt: word for word in _REPAIRED.split() for misspelt in _without_one_apostrophe(word)
} | {"somebody'd": "somebodyd"}
