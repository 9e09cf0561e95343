"""Networks that were run once for all tests of the flow."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from flows import ROOT, SAMPLES, TRIALS, Flow, concord


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Flow:
    """The demo network, run once. Read it; copy it to change it."""
    root = tmp_path_factory.mktemp("flow") / "demo"
    written = concord("demo", root)
    assert written.returncode == 0, written.stderr
    done = concord("run", "--network", root)
    assert done.returncode == 0, done.stdout + done.stderr
    return Flow(root, done)


@pytest.fixture(scope="session")
def trials(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> Flow:
    """The network over real files, run once."""
    root = tmp_path_factory.mktemp("flow") / "trials"
    shutil.copytree(ROOT / "tests" / "networks" / "trials", root)
    for place, files in TRIALS.items():
        folder = root / "landing" / place
        folder.mkdir(parents=True)
        for file in files:
            shutil.copy(shared / "samples" / file, folder)
    key = concord("key", "--network", root)
    assert key.returncode == 0, key.stderr
    done = concord("run", "--network", root)
    assert done.returncode == 0, done.stdout + done.stderr
    return Flow(root, done)


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> Flow:
    """The network with a site for every sample, run once."""
    root = tmp_path_factory.mktemp("flow") / "samples"
    shutil.copytree(ROOT / "tests" / "networks" / "samples", root)
    for place, patterns in SAMPLES.items():
        folder = root / "landing" / place
        folder.mkdir(parents=True)
        for file in (file for pattern in patterns for file in sorted((shared / "samples").glob(pattern))):
            shutil.copy(file, folder)
    key = concord("key", "--network", root)
    assert key.returncode == 0, key.stderr
    done = concord("run", "--network", root)
    assert done.returncode == 0, done.stdout + done.stderr
    return Flow(root, done)


@pytest.fixture
def copy_of(tmp_path: Path) -> Callable[[Flow], Path]:
    """A copy of a network to do harm to."""

    def copy(flow: Flow) -> Path:
        root = tmp_path / flow.root.name
        shutil.copytree(flow.root, root, symlinks=True)
        return root

    return copy
