"""Old runs shown again: the same notebooks, in two kernels at a time, with every measuring step answered by the records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from lib.pages.page import REPLAY
from lib.report import notebooks
from lib.report.execute import Failure, Kernel
from lib.report.notebooks import Notebook

KERNELS = 2  # each serves several notebooks, for to start one and import what draws figures takes longer than a page does


def replay(found: Sequence[Notebook], results: Path, work: Path) -> Iterator[tuple[Notebook, Any, Failure | None]]:
    """Execute notebooks with the records of `results` (…/results/SYSTEM); yield each when it is done, as executed (nbformat's node),
    and where it failed, in any order.

    work: a folder for logs. A notebook that fails does not keep the others from their end. Where the caller stops before the
    end (Ctrl-C), the kernels are ended.
    """
    todo, done = SimpleQueue[Notebook](), SimpleQueue[Any]()
    for notebook in found:
        todo.put(notebook)
    environment = {REPLAY: str(results.resolve())}
    kernels = [Kernel(found[0].path.parent, work, f"replay{lane}", environment, silent=True) for lane in range(min(KERNELS, len(found)))]
    threads = [Thread(target=_serve, args=(kernel, todo, done), daemon=True) for kernel in kernels]
    for thread in threads:
        thread.start()
    try:
        for _ in found:
            result = done.get()
            if isinstance(result, BaseException):
                raise result
            yield result
    except BaseException:
        with suppress(Empty):
            while True:
                todo.get_nowait()
        for kernel in kernels:
            kernel.kill()
        raise
    finally:
        for thread in threads:
            thread.join()


def _serve(kernel: Kernel, todo: SimpleQueue[Notebook], done: SimpleQueue[Any]) -> None:
    """Execute one notebook after the other until none is left."""
    try:
        with kernel:
            while True:
                try:
                    notebook = todo.get_nowait()
                except Empty:
                    return
                done.put((notebook, *kernel.execute(notebooks.read(notebook.path), {}, notebook.stage)))
    except BaseException as error:
        done.put(error)
