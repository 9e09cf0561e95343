"""When and where it runs: definitions, jobs, schedules, sensors, command line."""

import os

# Many small matrices, one after the other: several BLAS threads wait for each other (a fit took five times as long).
# It must be set before numpy is loaded, hence here.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# polars hands freed memory back to the system after half a second and asks for it again page by page, which was a tenth
# of ingestion's time. Before polars is loaded, and over what a parent process that loaded polars hands down.
os.environ["_RJEM_MALLOC_CONF"] = "dirty_decay_ms:5000,muzzy_decay_ms:5000"
