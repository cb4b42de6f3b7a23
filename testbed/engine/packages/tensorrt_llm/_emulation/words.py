"""Pure data: the words that the emulated engine answers with, and that its tokenizer is trained on.

Only regular nouns and verbs, so that three short rules give every form.
"""

from __future__ import annotations

NOUNS = tuple(
    """
    adventure alley ally altar amulet anchor animal answer apple apron archer arena armor arrow
    artist avenue axe badge bandit banner bard barn barrel basin basket battle beacon beard bell
    bench bird blade blanket blossom boat bonfire book boot bottle boulder bow bowl bracelet
    branch bread bridge brook broom brother bucket builder bush cabin camp canal candle captain
    caravan carpet cart castle cauldron cave cellar chain chair chamber chapel chest chimney
    circle citadel city cliff cloak clock cloud coast coin column companion compass copper corner
    corridor cottage counter courtyard cousin crater creature creek crown crystal cup curtain
    dagger dancer dawn desert desk diamond door dragon drawer dream drum dungeon eagle ember
    emerald emperor engine entrance evening falcon farmer feast feather fence festival fiddle
    field flag flame flute fog forest forge fortress fountain friend galley garden gate gem ghost
    giant goblin golem grotto guard guild hall hammer harbor harp hawk hearth helmet herald hermit
    hero hill hunter idol inn island ivory jacket jewel journey judge jungle kettle key king
    kingdom kitchen knight ladder lady lagoon lake lamp lantern lawn leader leather ledge legend
    lesson letter library lighthouse lion lock lord machine maiden map marble market marsh mask
    mason master meadow melody merchant message mill miner mirror mist moat monster monument moon
    morning mountain museum needle night noble ocean orchard orchestra owl pebble palace parade
    path paw pearl pilgrim pillar pirate planet platform plaza pocket poem poet pond porch portal
    potion prince princess prison prophet puzzle pyramid queen quest quill raven reef ribbon
    riddle ring river road robe rock roof room root rope rose ruin sailor sage sapphire scholar
    scout scroll sea season seed shadow shell shelter shield ship shrine signal sister smith smoke
    soldier song sorcerer spear spell spider spirit spring stable staff stage stair star statue
    stone storm story stranger stream street summer sword table tavern temple tent throne thunder
    tiger torch tower town trail trap traveler treasure tree troll trumpet tunnel turtle valley
    vault vessel village violin visitor wagon wall wanderer warrior watch water whale wheel
    whisper wind window winter witch wizard wood workshop yard
    """.split()
)

VERBS = tuple(
    """
    accept admire admit adore advance advise allow amaze announce answer appear approach arrange
    arrest arrive ask assemble assist attack attempt attend avoid award balance believe belong
    bless boast borrow bounce bow breathe burn call capture carry carve cast catalog challenge
    change charge chase cheer claim clean climb close collect combine command compare complain
    complete conceal confess confuse connect conquer consider consult contain continue cook copy
    count cover crawl cross cure dance dare decide declare decorate defeat defend delay deliver
    demand deny depart describe deserve desire destroy detect discover discuss dismiss divide
    doubt dress earn echo embrace empty enchant encourage enjoy enter escape examine exchange
    excuse expect explain explore extend fasten fear fetch fill finish fish float flow follow
    force frame gather gaze glance glow grant greet guard guess guide hail handle happen harvest
    heal help hesitate honor hope hover hurry ignore imagine improve inform insist inspect invent
    invite join jump kneel knock laugh launch laugh learn lift listen load lock look march mark
    measure melt mention mix move mutter name need notice obey observe offer open order paint pass
    pause perform plant play point polish pour praise prepare present press promise protect prove
    pull pursue push question raise reach realize recall receive recover reflect refuse rejoice
    remain remember remove repair repeat reply report request rescue rest return reveal reward
    roar roll rush sail salute scatter search seem serve settle shelter shout sigh signal smile
    solve sparkle spell start stay stumble summon surprise surround survive talk taste thank touch
    trace travel treasure tremble trust turn twist unlock visit wait walk wander want warm warn
    wash watch wave whisper whistle wish wonder work worry yield
    """.split()
)

ADJECTIVES = tuple(
    """
    ancient amber angry anxious azure bitter black blind blue bold brave brief bright bronze broad
    calm careful cautious cheerful clear clever cold common cool correct crimson cruel curious
    dangerous dark deep dense different distant double dreadful eager early eastern elegant empty
    endless enormous equal eternal evil exact faint fair faithful famous fearful fierce final fine
    firm foolish foreign forgotten formal former frail free frequent fresh frozen full gentle glad
    glorious golden graceful grand grateful gray great green grim harsh hasty hidden hollow honest
    humble icy ideal idle immense jade jealous joyful keen kind large late lazy local lonely long
    loud loyal lucky magic massive mellow mighty mild modest narrow neat nervous northern odd old
    open pale patient peaceful plain playful polite poor precious proud pure quick quiet rapid
    rare rare ready recent red remote rich rigid rough royal rude rusty sacred sad safe scarlet
    secret serious severe sharp short shy silent silver simple sincere sleepy slender slow small
    smooth soft solemn solid sour southern splendid steady steep stern stiff strange strict strong
    subtle sudden sunny sure sweet swift tall tame tender thick thin tidy tiny tired true vast
    velvet vivid warm wary weak weary western wet white wicked wide wild wise wonderful wooden
    worthy yellow young
    """.split()
)

ADVERBS = tuple(
    """
    again almost alone already always away below beyond carefully closely forever forward gently
    happily here inside later loudly nearby never often once outside perhaps quickly quietly
    seldom silently slowly sometimes soon suddenly then there together tonight twice upward warmly
    well wisely
    """.split()
)

NAMES = tuple(
    """
    Alda Bram Cora Dorin Elric Fenna Garrick Hilda Isolde Jorah Kaela Lorin Mira Nolan Orla Perrin
    """.split()
)

FUNCTION_WORDS = tuple(
    """
    a about above across after all an and another any are around as at be because before behind
    beside between both but by could did do does down during each either every few for from had
    has have he her him his how if in into is it its just like many may me might more most much
    must my near no not now of off on one only or other our out over own same she should since so
    some such than that the their them these they this those through to toward two under until up
    us very was we were what when where which while who why will with without would you your tell
    write explain please hello world yes three four five six seven eight nine ten user assistant
    system playing dungeons dragons we'll let
    """.split()
)

_VOWELS = "aeiou"


def plural(noun: str) -> str:
    """Return the plural of a regular noun, or the third person of a regular verb."""
    if noun.endswith(("s", "x", "ch", "sh", "z")):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in _VOWELS:
        return noun[:-1] + "ies"
    return noun + "s"


def past(verb: str) -> str:
    """Return the past tense of a regular verb."""
    if verb.endswith("e"):
        return verb + "d"
    if verb.endswith("y") and verb[-2] not in _VOWELS:
        return verb[:-1] + "ied"
    return verb + "ed"


def gerund(verb: str) -> str:
    """Return the -ing form of a regular verb."""
    return (verb[:-1] if verb.endswith("e") and not verb.endswith("ee") else verb) + "ing"


def all_words() -> list[str]:
    """Return every word and form once, in a fixed order."""
    forms = [*FUNCTION_WORDS, *ADVERBS, *NAMES, *ADJECTIVES]
    for noun in NOUNS:
        forms += [noun, plural(noun)]
    for verb in VERBS:
        forms += [verb, plural(verb), past(verb), gerund(verb)]
    return list(dict.fromkeys(forms))
