"""torch's optimisers, without torch's compiler.

The first use of any of `torch.optim` imports `torch._dynamo`: some of its methods are marked as not to be compiled.
The import takes a second or two of a budget, and makes a folder torchinductor_USER in TMPDIR. Nothing is compiled
here, so these classes call what is marked without the mark. All that they compute is torch's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.optim.optimizer import Optimizer


def unmarked(method: Callable[..., Any]) -> Any:
    """What a marked method calls; where this version of torch does not mark it, the method itself."""
    return getattr(method, "__wrapped__", method)


class _Uncompiled:
    """The two methods of every optimiser that are marked, as they are called here."""

    add_param_group = unmarked(Optimizer.add_param_group)
    zero_grad = unmarked(Optimizer.zero_grad)


class AdamW(_Uncompiled, torch.optim.AdamW):
    """AdamW (Loshchilov & Hutter 2019)."""

    step = torch.no_grad()(unmarked(torch.optim.Adam.step))


class Adam(_Uncompiled, torch.optim.Adam):
    """Adam (Kingma & Ba 2015)."""

    step = torch.no_grad()(unmarked(torch.optim.Adam.step))


class LBFGS(_Uncompiled, torch.optim.LBFGS):
    """L-BFGS (Liu & Nocedal 1989)."""
