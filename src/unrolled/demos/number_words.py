"""Numbers in words, German and English: a small language to translate, in which the order of words differs.

24 is "vier und zwanzig" in German, four and twenty; every part is a word here, so that words can be aligned.
"""

from __future__ import annotations

from unrolled.seeds import numpy_generator

GERMAN = (
    "null ein zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn "
    "achtzehn neunzehn"
)
GERMAN_TENS = "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig"
ENGLISH = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
ENGLISH_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
LARGEST = 999


def in_german(number: int) -> str:
    """A number from 1 to 999, its parts as words: 324 is "drei hundert vier und zwanzig"."""
    words, tens = GERMAN.split(), GERMAN_TENS.split()
    hundreds, rest = divmod(number, 100)
    written = [words[hundreds], "hundert"] if hundreds else []
    if rest >= 20:
        ones = [words[rest % 10], "und"] if rest % 10 else []
        written += [*ones, tens[rest // 10 - 2]]
    elif rest:
        written.append("eins" if rest == 1 else words[rest])
    return " ".join(written)


def in_english(number: int) -> str:
    """A number from 1 to 999 in words: 324 is "three hundred twenty four"."""
    words, tens = ENGLISH.split(), ENGLISH_TENS.split()
    hundreds, rest = divmod(number, 100)
    written = [words[hundreds], "hundred"] if hundreds else []
    if rest >= 20:
        written += [tens[rest // 10 - 2], *([words[rest % 10]] if rest % 10 else [])]
    elif rest:
        written.append(words[rest])
    return " ".join(written)


def number_pairs(seed: int, tested: int) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Rows with `german` and `english`: those to train on, and `tested` others, in an order drawn from the seed."""
    order = numpy_generator(seed, "number words").permutation(LARGEST) + 1
    rows = [{"german": in_german(int(one)), "english": in_english(int(one))} for one in order]
    return rows[tested:], rows[:tested]
