"""Linear algebra on one thread: the matrices here are small, idle threads that wait cost more than they give, and the
last digit of a sum depends on how many share it.

What belongs here: the one place that says so. What does not: any computation.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController


def single_threaded() -> AbstractContextManager[object]:
    """Within it, BLAS uses one thread; before and after it, as many as it did."""
    found: AbstractContextManager[object] = _controller().limit(limits=1, user_api="blas")
    return found


@cache
def _controller() -> ThreadpoolController:
    """Looks once at the loaded libraries; numpy and scipy are loaded by then."""
    import scipy.linalg  # noqa: F401  loads scipy's own BLAS
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
