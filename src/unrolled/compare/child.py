"""One training of a comparison in its own process, so that its peak memory can be measured alone.

Run as `python -m unrolled.compare.child` with a JSON object on standard input. An existing run is resumed. Exit codes
are the command's. Standard output and standard error are files that only `process.py` reads: the result as a JSON
object, and the message of an error. Nothing here reaches a terminal; the command escapes what it prints of it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from unrolled.environment import peak_bytes
from unrolled.errors import DONE, FAILED, WRONG_INPUT, InputError, TrainingError
from unrolled.interrupts import STOPPED
from unrolled.memory import register_named
from unrolled.options import TrainOptions
from unrolled.run import Training


def main() -> int:
    """Trains to the end, or stops tidily on a signal or when the parent process is gone."""
    request = json.load(sys.stdin)
    try:
        training = start(request)
        for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
            if signal.getsignal(number) is not signal.SIG_IGN:  # a signal that nohup ignores stays ignored
                signal.signal(number, lambda *_: training.stop())
        for _ in training:
            if os.getppid() != request["parent"]:
                training.stop()
    except (InputError, TrainingError) as error:
        sys.stderr.write(f"{error}\n")
        return WRONG_INPUT if isinstance(error, InputError) else FAILED
    except KeyboardInterrupt:
        return STOPPED
    json.dump({"peak_bytes": peak_bytes()}, sys.stdout)
    return STOPPED if training.stopped else DONE


def start(request: dict[str, Any]) -> Training:
    """A new training, or the resumed one where the folder has a run."""
    options = TrainOptions.from_json(request["settings"])
    if (Path(options.out or "") / "run.json").exists():
        register_named(options.model)
        return Training.resume(options.out)
    return Training(request["data"], options)


if __name__ == "__main__":
    raise SystemExit(main())
