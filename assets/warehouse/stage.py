"""What stands ready before dbt starts: a clean build folder, the lake's empty files, and the inputs.

What belongs here: laying out. What does not: the inputs themselves (`assets.warehouse.inputs`).
"""

from __future__ import annotations

import shutil

from assets.ingestion import lake
from assets.ingestion.acceptances import acceptance_frame
from assets.ingestion.answers import read_answers, take_answers
from assets.ingestion.counts import read_counts
from assets.ingestion.ingest import known_receipts
from assets.ingestion.receipts import receipt_frame
from assets.run_context import Clocks
from assets.warehouse.inputs import ensure_empty_lake, write_inputs
from checks.identity import read_identities
from codebook.library import Library
from codebook.network import NetworkFolder


def write_build_inputs(library: Library, clocks: Clocks, target: NetworkFolder) -> None:
    """Clear the target's build folder, finish promotions that were cut off, and write every input of dbt.

    Call it under the exclusive lock.

    Raises:
        OSError: a promotion cannot be finished, or an input cannot be written: nothing may be built from that.
    """
    shutil.rmtree(target.build, ignore_errors=True)
    (target.build / "results").mkdir(parents=True)
    lake.finish_promotions(library.folder.lake, library.folder.state)
    ensure_empty_lake(library.folder.lake, library)
    receipts = receipt_frame(known_receipts(library, clocks.as_of))
    if clocks.as_of is None:
        take_answers(library, clocks.today)
    answers = read_answers(library, clocks.as_of)
    acceptances = acceptance_frame(library.folder.state, library.sites, clocks.as_of)
    identity = read_identities(library.folder.state).frame()
    folder = target.build / "inputs"
    said = {"answers": answers.frame(), "due_answers": answers.due_frame()}
    decided = {"acceptances": acceptances, "identity": identity, "treated": read_counts(library).frame(clocks.as_of)}
    write_inputs(library, receipts, clocks.as_of, clocks.today, folder, **said, **decided)
