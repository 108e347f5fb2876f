"""`python -m unrolled`: the command. Python itself then puts the folder one stands in on its path, before the package
is known; `unroll` does not."""

import sys

from unrolled.cli import main

sys.exit(main())
