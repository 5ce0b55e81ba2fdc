"""Run by ``python -m hamlet``: the command line."""

import sys

from hamlet.cli import main

sys.exit(main())
