"""How texts are generated: the likeliest, by a beam, or drawn."""

from __future__ import annotations

from dataclasses import dataclass

from unrolled.errors import OptionError
from unrolled.given import as_number


@dataclass(frozen=True)
class Choice:
    """How texts are written: a beam of so many, 1 being greedy, or drawn at a temperature."""

    beam: int = 1
    temperature: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value, least in (("beam", self.beam, 1), ("seed", self.seed, 0)):
            if type(value) is not int or value < least:
                raise OptionError(f"{name} is a whole number of at least {least}; got {value!r}.")
        if self.temperature is not None:
            as_number("temperature", self.temperature)

    @property
    def name(self) -> str:
        """In words."""
        if self.temperature is not None:
            return f"drawn at temperature {self.temperature:g}"
        return "greedy" if self.beam == 1 else f"a beam of {self.beam}"
