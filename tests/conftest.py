"""Fixtures that several rooms' tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of given facts and samples; tests that need it skip where it is absent."""
    path = Path(os.environ.get("CONCORD_SHARED", ROOT.parent / "shared"))
    if not (path / "samples").is_dir():
        pytest.skip(f"needs the given samples, expected in {path.name}/ beside the checkout")
    return path
