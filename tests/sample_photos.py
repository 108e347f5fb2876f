"""Photographs that come inside the package scikit-image. Its folder is found without importing it.

All are free of known copyright restrictions, as scikit-image says in `skimage/data/_fetchers.py`.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

CAT = "chelsea.png"  # 451 x 300; CC0 by the photographer, Stefan van der Walt
COFFEE = "coffee.png"  # 600 x 400; CC0 by the photographer, Rachel Michetti
ROCKET = "rocket.jpg"  # 640 x 427; public domain, by SpaceX
CAMERA = "camera.png"  # a man with a camera on a tripod, grey, 512 x 512; CC0 by the photographer, Lav Varshney
CLOCK = "clock_motion.png"  # blurred, grey, 400 x 300; public domain by the photographer, Stefan van der Walt

needs_samples = pytest.mark.skipif(find_spec("skimage") is None, reason="needs scikit-image, of the extra dev")


def sample_photo(name: str) -> Path:
    """The file of a photograph."""
    found = find_spec("skimage")
    assert found is not None and found.submodule_search_locations, "scikit-image is not installed"
    return Path(found.submodule_search_locations[0]) / "data" / name
