"""How texts are generated: greedily, by beam search, or sampled."""

from __future__ import annotations

from dataclasses import dataclass

from unrolled.errors import OptionError
from unrolled.given import as_number


@dataclass(frozen=True)
class GenerationConfig:
    """Settings of generation: a beam of this width (1 is greedy), or sampling at a temperature.

    image_weight: of a text's similarity to captions of similar images, in the ranking of a beam; at 0 only the
    probability counts.
    """

    beam: int = 1
    temperature: float | None = None
    seed: int = 0
    image_weight: float = 0.0

    def __post_init__(self) -> None:
        for name, value, least in (("beam", self.beam, 1), ("seed", self.seed, 0)):
            if type(value) is not int or value < least:
                raise OptionError(f"{name} is a whole number of at least {least}; got {value!r}.")
        if self.temperature is not None:
            as_number("temperature", self.temperature)
        if self.image_weight != 0:
            as_number("image_weight", self.image_weight)

    def check_top(self, top: int | None) -> None:
        """Raises OptionError where these settings cannot give the `top` best texts."""
        if top is None:
            return
        if self.temperature is not None:
            raise OptionError(
                "--top lists the likeliest texts, and --temperature samples one. Leave one of them out; another "
                "--seed gives another sample."
            )
        if top > self.beam:
            raise OptionError(f"--beam {self.beam} finds {self.beam} texts at most. For --top {top}: --beam {top}")

    @property
    def name(self) -> str:
        """The method as text: "greedy", "a beam of 5"."""
        if self.temperature is not None:
            return f"sampled at temperature {self.temperature:g}"
        ranked = ", ranked by captions of similar images" if self.image_weight else ""
        return "greedy" if self.beam == 1 else f"a beam of {self.beam}{ranked}"
