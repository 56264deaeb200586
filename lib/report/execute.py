"""Executes one notebook with papermill; what it leaves is whole or not there."""

from __future__ import annotations

import logging
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib.experiment import profile as config
from lib.progress import say
from lib.report import notebooks
from lib.report.notebooks import Notebook
from lib.store import files

NOISE = re.compile(
    r"[IWEF]\d{4} |\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: |WARNING: All log messages|INFO: |.*Warning: |\s"
    r"|To enable the following|fully_quantize: "
)
INDENT = " " * 6
# Where these lie is this machine's business; an environment of its own may lie in the project. Python itself may lie in /usr, as much does.
ENVIRONMENT = {sys.prefix: "<python>"} if sys.prefix != sys.base_prefix else {}
PLACES = ENVIRONMENT | {str(config.ROOT): "<project>"}


@dataclass(frozen=True)
class Failure:
    """Where and why a notebook stopped. cell: counted from 1 in the notebook as it is stored; line: that cell's first line."""

    stage: str
    cell: int
    line: str
    error: str

    def __str__(self) -> str:
        return f"{self.stage}: cell {self.cell} `{self.line}`: {self.error}"


class Lines:
    """A file that papermill writes a kernel's standard error to: progress lines are said indented, libraries' chatter is not."""

    def __init__(self) -> None:
        self._rest = ""

    def write(self, text: str) -> None:
        """Say every line that is complete."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            if line.strip() and not NOISE.match(line):
                say(INDENT + line)

    def flush(self) -> None:
        """Nothing is held back but an incomplete line."""


def _kernel_manager(log: Path) -> type[Any]:
    """A kernel manager whose kernels write what does not come through their notebook (C++ logs, a crash) into a file."""
    from jupyter_client import AsyncKernelManager

    class Logged(AsyncKernelManager):
        async def start_kernel(self, **options: Any) -> Any:
            with log.open("wb") as file:  # the kernel keeps its own handle
                return await super().start_kernel(stdout=file, stderr=file, **options)

    return Logged


def execute(notebook: Notebook, parameters: dict[str, Any], executed: Path, work: Path, cwd: Path, note: dict[str, Any]) -> Failure | None:
    """Execute a notebook from its first cell; its executed copy replaces `executed` in one step when it is over.

    parameters: for its cell tagged `parameters`; work: folder for the copy while it runs; cwd: where its kernel runs;
    note: kept in the copy's metadata. Returns where it failed, or None. The kernel ends with this process
    (nbclient shuts it down; where this process is killed, the kernel's own poller of its parent ends it).
    """
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    logging.getLogger("papermill").setLevel(logging.ERROR)
    running, log = work / notebook.path.name, work / f"{notebook.stage}.log"
    started = time.perf_counter()
    failure = None
    with files.writable(work):
        work.mkdir(parents=True, exist_ok=True)
        try:
            papermill.execute_notebook(
                notebook.path,
                running,
                parameters,
                kernel_name="python3",
                language="python",
                cwd=cwd,
                progress_bar=False,
                stderr_file=Lines(),
                kernel_manager_class=_kernel_manager(log),
                shutdown_kernel="immediate",
            )
        except PapermillExecutionError as error:
            failure = _failure(notebook, running, error.cell_index, f"{error.ename}: {error.evalue}")
        except DeadKernelError:
            failure = _failure(notebook, running, _at(running), "the kernel died; the system may have run out of memory")
    note = note | {"seconds": round(time.perf_counter() - started, 1)}
    _keep(running, executed, note | ({"failed": vars(failure)} if failure else {}))
    return failure


def _failure(notebook: Notebook, running: Path, index: int, error: str) -> Failure:
    """`index` counts the cells of the parameterised notebook, which holds one more than the stored one."""
    cells = [cell for cell in notebooks.read(running).cells if notebooks.PAPERMILL_ERROR not in cell.metadata.get("tags", [])]
    index = min(index, len(cells) - 1)
    injected = sum(notebooks.INJECTED in cell.metadata.get("tags", []) for cell in cells[:index])
    return Failure(notebook.stage, index + 1 - injected, notebooks.source_line(cells[index].source), error.strip().split("\n")[0])


def _at(running: Path) -> int:
    """Index of the cell that ran when the kernel died: the first that papermill has not marked as completed."""
    statuses = [cell.metadata.get("papermill", {}).get("status") for cell in notebooks.read(running).cells]
    return next((index for index, status in enumerate(statuses) if status != "completed"), len(statuses) - 1)


def _keep(running: Path, executed: Path, note: dict[str, Any]) -> None:
    import nbformat

    node = notebooks.read(running)
    node.metadata[notebooks.META] = note
    for name in ("input_path", "output_path"):
        node.metadata.get("papermill", {}).pop(name, None)
    for output in (output for cell in node.cells for output in cell.get("outputs", [])):
        if output.output_type == "stream":
            output.text = _unplaced(output.text)
        elif output.output_type == "error":
            output.evalue, output.traceback = _unplaced(output.evalue), [_unplaced(line) for line in output.traceback]
    files.write_text(executed, nbformat.writes(node) + "\n")
    running.unlink()


def _unplaced(text: str) -> str:
    """What a cell printed, without where this machine keeps Python and the project."""
    for place, name in PLACES.items():
        text = text.replace(place, name)
    return text
