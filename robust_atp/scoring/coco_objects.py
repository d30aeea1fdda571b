"""The words by which captions name COCO's 80 kinds of objects.

Written for this package from the names of the categories and everyday English; CHAIR's own list of synonyms comes
without a licence and is not used, so figures differ a little from those of its program. Words that mostly mean
something else are left out: "orange" is a colour in captions, "chicken" a dish, "couple" a number, "glass" a material,
"screen" and "plant" too wide.
"""

import re
from collections.abc import Mapping

_WORDS: Mapping[str, str] = {
    "person": "person, man, woman, boy, girl, child, kid, baby, toddler, infant, guy, lady, gentleman, male, female, "
    "teenager, adult, crowd, pedestrian, passenger, player, catcher, umpire, referee, skier, "
    "snowboarder, surfer, skateboarder, biker, cyclist, bicyclist, motorcyclist, rider, jockey, driver, chef, "
    "waiter, waitress, worker, farmer, officer, policeman, fireman, soldier, student, tourist, bride, groom, athlete, "
    "mother, father, son, daughter, friend, people",
    "bicycle": "bicycle, bike, tricycle",
    "car": "car, automobile, sedan, suv, taxi, cab, minivan, jeep, hatchback, station wagon",
    "motorcycle": "motorcycle, motorbike, motor bike, motor cycle, moped, scooter, motor scooter, dirt bike",
    "airplane": "airplane, aeroplane, plane, air plane, jet, aircraft, airliner, jetliner, biplane, seaplane, "
    "jumbo jet, passenger jet, fighter jet",
    "bus": "bus, minibus, double decker, double decker bus, school bus, tour bus, trolleybus",
    "train": "train, locomotive, tram, streetcar, passenger train, freight train, subway train, steam engine",
    "truck": "truck, lorry, pickup, pickup truck, fire truck, firetruck, fire engine, tow truck, dump truck, "
    "semi truck, food truck, tractor trailer",
    "boat": "boat, ship, canoe, kayak, sailboat, sail boat, rowboat, row boat, yacht, ferry, motorboat, speedboat, "
    "gondola, barge, raft, dinghy, tugboat, catamaran, fishing boat",
    "traffic light": "traffic light, traffic signal, stoplight, stop light, traffic lamp",
    "fire hydrant": "fire hydrant, hydrant, fireplug",
    "stop sign": "stop sign",
    "parking meter": "parking meter",
    "bench": "bench, park bench, pew",
    "bird": "bird, duck, duckling, goose, swan, seagull, gull, pigeon, dove, parrot, owl, eagle, hawk, rooster, "
    "hen, ostrich, flamingo, peacock, crow, sparrow, robin, pelican, penguin, heron, stork, parakeet, finch",
    "cat": "cat, kitten, kitty, tabby",
    "dog": "dog, puppy, pup, doggy, sheepdog, sheep dog, poodle, terrier, retriever, bulldog, dachshund, beagle, "
    "labrador, german shepherd, husky, corgi, dalmatian",
    "horse": "horse, pony, foal, colt, mare, stallion",
    "sheep": "sheep, lamb, ram, ewe",
    "cow": "cow, cattle, calf, bull, ox, heifer",
    "elephant": "elephant",
    "bear": "bear, polar bear, grizzly bear, grizzly, brown bear, black bear, bear cub, panda bear, panda",
    "zebra": "zebra",
    "giraffe": "giraffe",
    "backpack": "backpack, back pack, knapsack, rucksack",
    "umbrella": "umbrella, parasol",
    "handbag": "handbag, hand bag, purse, shoulder bag",
    "tie": "tie, necktie, neck tie, bow tie, bowtie",
    "suitcase": "suitcase, suit case, luggage, briefcase",
    "frisbee": "frisbee, flying disc, flying disk",
    "skis": "ski",
    "snowboard": "snowboard, snow board",
    "sports ball": "ball, sports ball, soccer ball, football, basketball, baseball, tennis ball, volleyball",
    "kite": "kite",
    "baseball bat": "baseball bat, bat",
    "baseball glove": "baseball glove, baseball mitt, catcher's mitt, mitt",
    "skateboard": "skateboard, skate board, longboard",
    "surfboard": "surfboard, surf board, boogie board, paddle board, paddleboard",
    "tennis racket": "tennis racket, tennis racquet, racket, racquet",
    "bottle": "bottle, beer bottle, wine bottle, water bottle",
    "wine glass": "wine glass, wineglass, champagne glass, goblet",
    "cup": "cup, mug, coffee cup, teacup, tea cup, tumbler",
    "fork": "fork",
    "knife": "knife",
    "spoon": "spoon, teaspoon, tablespoon, ladle",
    "bowl": "bowl",
    "banana": "banana",
    "apple": "apple",
    "sandwich": "sandwich, hamburger, burger, cheeseburger, sub sandwich, panini, toastie",
    "orange": "orange slice, orange half, orange fruit, tangerine, mandarin, clementine",
    "broccoli": "broccoli",
    "carrot": "carrot",
    "hot dog": "hot dog, hotdog, corn dog, frankfurter",
    "pizza": "pizza",
    "donut": "donut, doughnut, doughnut hole",
    "cake": "cake, cupcake, cheesecake, birthday cake, wedding cake",
    "chair": "chair, armchair, arm chair, stool, recliner, rocking chair, office chair, lawn chair, high chair",
    "couch": "couch, sofa, loveseat, love seat, futon, settee",
    "potted plant": "potted plant, house plant, houseplant, pot plant, potted flower, potted tree, bonsai",
    "bed": "bed, bunk bed, canopy bed",
    "dining table": "dining table, table, dinner table, kitchen table, picnic table, dining room table",
    "toilet": "toilet, toilet seat, toilet bowl, urinal, commode",
    "tv": "tv, television, tv set, television set, television screen, tv screen, flat screen, flatscreen, monitor, "
    "computer monitor, computer screen",
    "laptop": "laptop, laptop computer, notebook computer, macbook",
    "mouse": "mouse, computer mouse",
    "remote": "remote, remote control, wii remote, controller, game controller, wiimote",
    "keyboard": "keyboard, computer keyboard",
    "cell phone": "cell phone, cellphone, mobile phone, phone, smartphone, smart phone, iphone, flip phone",
    "microwave": "microwave, microwave oven",
    "oven": "oven, stove, stovetop, stove top oven, stove top, cooker",
    "toaster": "toaster, toaster oven",
    "sink": "sink, washbasin, wash basin, bathroom sink, kitchen sink",
    "refrigerator": "refrigerator, fridge, freezer",
    "book": "book, textbook, novel, cookbook",
    "clock": "clock, alarm clock, clock tower, wall clock",
    "vase": "vase",
    "scissors": "scissors, shears",
    "teddy bear": "teddy bear, teddybear, teddy, stuffed bear, toy bear, stuffed teddy bear",
    "hair drier": "hair drier, hair dryer, hairdryer, blow dryer, blow drier",
    "toothbrush": "toothbrush, tooth brush",
}

# Phrases that hold the name of an object and mean none, or another one.
_NOT_OBJECTS = (
    "train track, train station, train platform, train yard, bus stop, bus station, bus shelter, car seat, "
    "boat dock, boat house, horse shoe, dog house, dog bed, dog food, cat food, bird house, bird bath, bird "
    "cage, toilet paper, toilet paper roll, toilet brush, table cloth, table lamp, pool table, ping pong "
    "table, coffee table, baseball field, baseball game, baseball player, baseball diamond, baseball stadium, "
    "baseball uniform, baseball cap, baseball hat, football field, football game, basketball court, basketball "
    "hoop, pizza box, pizza oven, pizza cutter, cake pan, book shelf, book case, knife block, kite string, tie "
    "dye, ski lift, ski slope, ski resort, ski pole, ski jump, ski trail, ski run, ski lodge, chair lift, "
    "phone booth, telephone pole, home plate, tree trunk, swim trunk, bed room, bed spread, bike rack, bike "
    "lane, bike path, car park, giraffe print, zebra print, sink hole, horse carriage, elephant statue, jet "
    "ski, fork lift, bowl cut"
)

_YOUNG = ("baby", "adult", "male", "female", "mother")
_ANIMALS = ("bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe")

_PLURALS = {
    "person": "persons", "man": "men", "woman": "women", "child": "children", "gentleman": "gentlemen",
    "policeman": "policemen", "fireman": "firemen", "people": "people", "goose": "geese", "sheep": "sheep",
    "calf": "calves", "ox": "oxen", "cattle": "cattle", "knife": "knives", "mouse": "mice", "aircraft": "aircraft",
    "luggage": "luggage", "broccoli": "broccoli", "scissors": "scissors", "shears": "shears", "half": "halves",
}  # fmt: skip


def object_words() -> dict[str, str]:
    """Singulars and plurals, lower case, with the category that they name; "" for phrases that name none.

    Where phrases overlap, the longest one counts: "hot dog" is no dog, and a "baby elephant" no person.
    """
    named = {word: category for category, words in _WORDS.items() for word in words.split(", ")}
    named |= {f"{young} {animal}": animal for young in _YOUNG for animal in _ANIMALS}
    named |= dict.fromkeys(_NOT_OBJECTS.split(", "), "")
    forms = {form: category for word, category in named.items() for form in (word, plural(word))}
    return forms | {"oranges": "orange"}


def object_pattern(words: Mapping[str, str]) -> str:
    """Regular expression of ``words``, the longest first, for lower-case text with single spaces."""
    longest_first = sorted(words, key=lambda word: (-len(word), word))
    return rf"\b(?:{'|'.join(map(re.escape, longest_first))})\b"


def plural(phrase: str) -> str:
    """English plural of the last word."""
    *before, word = phrase.split(" ")
    if word in _PLURALS:
        several = _PLURALS[word]
    elif re.search(r"(s|x|z|ch|sh)$", word):
        several = f"{word}es"
    elif re.search(r"[^aeiou]y$", word):
        several = f"{word[:-1]}ies"
    else:
        several = f"{word}s"
    return " ".join([*before, several])
