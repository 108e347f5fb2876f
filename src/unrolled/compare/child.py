"""One training of a comparison in a process of its own, so that its peak of memory is its own alone.

Run as `python -m unrolled.compare.child` with a JSON object on standard input; answers with one on standard output.
Where the run is there already, it goes on. Exit codes are the command's.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from unrolled.compare.comparison import DONE, FAILED, STOPPED, WRONG_INPUT
from unrolled.environment import peak_bytes
from unrolled.errors import InputError, TrainingError
from unrolled.memory import bring_named
from unrolled.options import TrainOptions
from unrolled.run import Training


def main() -> int:
    """Trains to the end, or tidily stops when asked to or when whoever started it is gone."""
    asked = json.load(sys.stdin)
    try:
        training = start(asked)
        for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup means what it says
                signal.signal(number, lambda *_: training.stop())
        for _ in training:
            if os.getppid() != asked["parent"]:
                training.stop()
    except (InputError, TrainingError) as error:
        print(error, file=sys.stderr)
        return WRONG_INPUT if isinstance(error, InputError) else FAILED
    except KeyboardInterrupt:
        return STOPPED
    print(json.dumps({"peak_bytes": peak_bytes()}))
    return STOPPED if training.stopped else DONE


def start(asked: dict[str, Any]) -> Training:
    """The training: new, or the one in that folder from where it stopped."""
    settings = TrainOptions.from_json(asked["settings"])
    if (Path(settings.out or "") / "run.json").exists():
        bring_named(settings.model)
        return Training.resume(settings.out)
    return Training(asked["data"], settings)


if __name__ == "__main__":
    raise SystemExit(main())
