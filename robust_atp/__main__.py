"""``python -m robust_atp`` is ``robust-atp``."""

import sys

from robust_atp.cli import main

sys.exit(main())
