"""The mark of a key rotation that is between two keys.

What belongs here: seeing it, without loading anything heavy. What does not: rotating (`assets.ingestion.rotation`).
"""

from __future__ import annotations

from pathlib import Path

FOLDER = ".rotation"
READY = "ready"


def is_cut(root: Path) -> bool:
    """Whether everything for a new key is prepared and not yet in place: nothing may be read or written till it is."""
    return (root / FOLDER / READY).is_file()
