"""`python -m unrolled`: the command. Unlike `unroll`, Python then puts the current folder on its path before it finds
the package."""

import sys

from unrolled.cli import main

sys.exit(main())
