"""When and where it runs: definitions, jobs, schedules, sensors, command line."""

import os

# Many small matrices, one after the other: several BLAS threads wait for each other (a fit took five times as long).
# It must be set before numpy is loaded, hence here.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
