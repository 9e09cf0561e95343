"""Set before scipy is loaded: with more threads its tiny problems wait for a busy core, ten times as long."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
