"""Numbers in words, German and English: a small language to translate, in which the order of words differs.

24 is "vier und zwanzig" in German, four and twenty; every part is a word here, so that words can be aligned.
"""

from __future__ import annotations

from unrolled.seeds import numpy_generator

GERMAN = "null ein zwei drei vier fünf sechs sieben acht neun zehn elf zwölf".split()
GERMAN_TEENS = "dreizehn vierzehn fünfzehn sechzehn siebzehn achtzehn neunzehn".split()
GERMAN_TENS = "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig".split()
ENGLISH = "zero one two three four five six seven eight nine ten eleven twelve".split()
ENGLISH_TEENS = "thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
ENGLISH_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
LARGEST = 999


def in_german(number: int) -> str:
    """A number from 1 to 999, its parts as words: 324 is "drei hundert vier und zwanzig"."""
    hundreds, rest = divmod(number, 100)
    tens, ones = divmod(rest, 10)
    words = [GERMAN[hundreds], "hundert"] if hundreds else []
    if rest < 20:
        words += ["eins" if rest == 1 else (GERMAN + GERMAN_TEENS)[rest]] if rest else []
    else:
        words += [GERMAN[ones], "und"] if ones else []
        words.append(GERMAN_TENS[tens - 2])
    return " ".join(words)


def in_english(number: int) -> str:
    """A number from 1 to 999 in words: 324 is "three hundred twenty four"."""
    hundreds, rest = divmod(number, 100)
    tens, ones = divmod(rest, 10)
    words = [ENGLISH[hundreds], "hundred"] if hundreds else []
    if rest < 20:
        words += [(ENGLISH + ENGLISH_TEENS)[rest]] if rest else []
    else:
        words += [ENGLISH_TENS[tens - 2], *([ENGLISH[ones]] if ones else [])]
    return " ".join(words)


def number_pairs(seed: int, tested: int) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Rows with `german` and `english`: those to train on, and `tested` others, in an order drawn from the seed."""
    order = numpy_generator(seed, "number words").permutation(LARGEST) + 1
    rows = [{"german": in_german(int(one)), "english": in_english(int(one))} for one in order]
    return rows[tested:], rows[:tested]
