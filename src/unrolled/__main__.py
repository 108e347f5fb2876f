"""The command `unroll`, also as `python -m unrolled`. With the latter Python puts the current folder on its path
before it finds the package."""

import sys

from unrolled.interrupts import interruptible


def main() -> int:
    """Run the command and return its exit code. Signals are handled from here on, while most is not imported yet."""
    with interruptible():
        from unrolled.cli import main as unroll

        return unroll()


if __name__ == "__main__":
    sys.exit(main())
