"""``python -m tests.oracle.events``."""

import sys

from tests.oracle.events.running import main

sys.exit(main())
