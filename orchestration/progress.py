"""How a run tells what it is doing: one line per step, with its seconds, on a terminal or in a log.

What belongs here: words on the screen. What does not: any result.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console


@dataclass
class Progress:
    """Prints each step as it ends; remembers how long each took."""

    console: Console
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str, text: str) -> Iterator[list[str]]:
        """Time a step; what is appended to the yielded list is printed behind its name."""
        said: list[str] = []
        started = time.perf_counter()
        if self.console.is_terminal:
            with self.console.status(f"{text} …"):
                yield said
        else:
            yield said
        took = time.perf_counter() - started
        self.seconds[name] = self.seconds.get(name, 0.0) + took
        detail = f"  {'; '.join(said)}" if said else ""
        self.console.print(f"{took:6.1f} s  {text}{detail}", highlight=False, soft_wrap=True)

    def say(self, text: str) -> None:
        """A line without a step."""
        self.console.print(f"          {text}", highlight=False, soft_wrap=True)


@contextmanager
def counted(text: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal's stderr, gone when it is full; yields what to call with the number done."""
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(text, total=total)
        yield lambda done: bar.update(task, completed=done)
