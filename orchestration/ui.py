"""`concord ui`: Dagster's web page and daemon for one network, one of each.

What belongs here: starting it. What does not: what it shows.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from assets.lock import FolderBusyError, folder_lock
from codebook.library import load_library
from orchestration.instance import prepare_home
from orchestration.resources import NETWORK_VARIABLE

CHECKOUT = Path(__file__).resolve().parent.parent


def serve(network: Path, port: int) -> int:
    """Run `dagster dev` until it is ended; returns its exit code.

    Raises:
        DeclarationError: the folder is no network.
        FolderBusyError: a daemon for this network is running already.
    """
    library = load_library(network)
    home = prepare_home(library.folder)
    try:
        with folder_lock(home, is_exclusive=True):
            environment = {**os.environ, NETWORK_VARIABLE: str(network.resolve()), "DAGSTER_HOME": str(home)}
            command = [sys.executable, "-m", "dagster", "dev", "-w", "workspace.yaml", "-p", str(port)]
            return subprocess.call(command, cwd=CHECKOUT, env=environment)
    except FolderBusyError:
        raise FolderBusyError(f"{network}: 'concord ui' is open for this network already; use that one") from None
    except KeyboardInterrupt:
        return 0
