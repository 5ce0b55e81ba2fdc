"""The command line, started by ``python -m hamlet``."""

import sys

from hamlet.cli import main

sys.exit(main())
