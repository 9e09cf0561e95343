"""What stands ready before dbt starts: a clean build folder, the lake's empty files, and the inputs.

What belongs here: laying out. What does not: the inputs themselves (`assets.warehouse.inputs`).
"""

from __future__ import annotations

import shutil

from assets.ingestion.ingest import known_receipts
from assets.ingestion.receipts import receipt_frame
from assets.run_context import Clocks
from assets.warehouse.inputs import ensure_empty_lake, write_inputs
from codebook.library import Library
from codebook.network import NetworkFolder


def write_build_inputs(library: Library, clocks: Clocks, target: NetworkFolder) -> None:
    """Clear the target's build folder and write every input of dbt."""
    shutil.rmtree(target.build, ignore_errors=True)
    (target.build / "results").mkdir(parents=True)
    ensure_empty_lake(library.folder.lake, library)
    receipts = receipt_frame(known_receipts(library, clocks.as_of))
    write_inputs(library, receipts, clocks.as_of, clocks.today, target.build / "inputs")
