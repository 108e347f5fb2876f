"""torch's optimisers, without torch's compiler.

The first use of an optimiser of `torch.optim` imports `torch._dynamo`, because some of its methods are decorated
as not to be compiled. The import takes a second or two of a budget, and makes a folder torchinductor_USER in TMPDIR.
Nothing is compiled here, so these classes call the undecorated methods. The computation is torch's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.optim.optimizer import Optimizer


def undecorated(method: Callable[..., Any]) -> Any:
    """The function that a decorated method wraps; the method itself if this version of torch does not decorate it."""
    return getattr(method, "__wrapped__", method)


class _Uncompiled:
    """The two decorated methods of every optimiser, undecorated."""

    add_param_group = undecorated(Optimizer.add_param_group)
    zero_grad = undecorated(Optimizer.zero_grad)


class AdamW(_Uncompiled, torch.optim.AdamW):
    """AdamW (Loshchilov & Hutter 2019)."""

    step = torch.no_grad()(undecorated(torch.optim.Adam.step))


class Adam(_Uncompiled, torch.optim.Adam):
    """Adam (Kingma & Ba 2015)."""

    step = torch.no_grad()(undecorated(torch.optim.Adam.step))


class LBFGS(_Uncompiled, torch.optim.LBFGS):
    """L-BFGS (Liu & Nocedal 1989)."""
