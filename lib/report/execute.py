"""Executes notebooks in kernels with papermill: one that measures in a kernel of its own, many that replay records in one."""

from __future__ import annotations

import logging
import os
import re
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib.deadline import OutOfTime
from lib.experiment import profile as config
from lib.progress import say
from lib.report import notebooks
from lib.store import files

NOISE = re.compile(
    r"[IWEF]\d{4} |\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: |WARNING: All log messages|INFO:|.*Warning: |\s"
    r"|To enable the following|fully_quantize: "
)
INDENT = " " * 6
# Where these lie is this machine's business; an environment of its own may lie in the project. Python itself may lie in /usr, as much does.
PLACES = ({sys.prefix: "<python>"} if sys.prefix != sys.base_prefix else {}) | {str(config.ROOT): "<project>"}
NAME = "python3"
# What the next notebook of a kernel finds: nothing that the one before it defined, numbers of cells from 1 on, the same folder.
AFRESH = "import os; os.chdir({folder!r}); get_ipython().reset(new_session=True)"
DIED = "the kernel died; the system may have run out of memory"


@dataclass(frozen=True)
class Failure:
    """Where and why a notebook stopped. cell: counted from 1 in the stored notebook; line: that cell's first that does something."""

    stage: str
    cell: int
    line: str
    error: str

    @property
    def out_of_time(self) -> bool:
        """Whether nothing failed: the run's minutes were over, and the notebook stopped where nothing is lost (lib/deadline.py)."""
        return self.error.startswith(f"{OutOfTime.__name__}: ")

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


class Kernel:
    """A kernel of this very Python, as a context manager. Use it from one thread.

    cwd: where its notebooks lie; work: a folder for what does not come through a notebook (C++ logs, a crash) and for IPython's
    settings, which are those of no user; environment: variables beside this process's; silent: what notebooks write to standard
    error is not said. The kernel ends with this process, by its own poller where this process is killed.
    """

    def __init__(self, cwd: Path, work: Path, name: str, environment: Mapping[str, str], silent: bool = False) -> None:
        self.cwd, self.work, self.name, self.silent = cwd, work, name, silent
        path = os.pathsep.join([str(config.ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])  # the project before all else
        self.environment = os.environ | {"PYTHONPATH": path, "IPYTHONDIR": str(work / "ipython")} | environment
        self._manager: Any = None
        self._used = False

    def __enter__(self) -> Kernel:
        return self

    def __exit__(self, *exc: object) -> None:
        self._end()

    def kill(self) -> None:
        """End its process at once; from any thread. What it executes fails."""
        manager = self._manager
        if manager is not None and manager.provisioner is not None and manager.provisioner.pid:
            with suppress(ProcessLookupError):
                os.kill(manager.provisioner.pid, signal.SIGKILL)

    def _end(self) -> None:
        from nbclient.util import run_sync

        manager, self._manager = self._manager, None
        if manager is not None:
            run_sync(manager.shutdown_kernel)(now=True)

    def execute(self, notebook: Any, parameters: Mapping[str, Any], stage: str) -> tuple[Any, Failure | None]:
        """The notebook (nbformat's node, not changed) executed from its first cell, and where it failed, or None.

        parameters: for its cell tagged `parameters`. The first notebook after a kernel died gets a new kernel.
        """
        from nbclient.exceptions import DeadKernelError
        from papermill.engines import papermill_engines
        from papermill.iorw import load_notebook_node
        from papermill.parameterize import parameterize_notebook

        logging.getLogger("papermill").setLevel(logging.CRITICAL)
        # Nodes, never paths: papermill formats paths, and a folder may have braces in its name.
        node = parameterize_notebook(load_notebook_node(notebook), dict(parameters), kernel_name=NAME, language="python")
        with files.writable(self.work):
            manager = self._ready()
        settings = {"km": manager, "kernel_name": NAME, "progress_bar": False, "stderr_file": None if self.silent else Lines()}
        try:
            node = papermill_engines.execute_notebook_with_engine(None, node, **settings)
        except DeadKernelError:
            self._end()
            begun = [index for index, cell in enumerate(node.cells) if cell.metadata.get("papermill", {}).get("start_time")]
            return node, _failure(node, stage, begun[-1] if begun else 0, DIED)
        said = [(index, output) for index, cell in enumerate(node.cells) for output in cell.get("outputs", [])]
        errors = (_failure(node, stage, at, f"{o.ename}: {o.evalue}") for at, o in said if o.output_type == "error")
        return node, next(errors, None)

    def _ready(self) -> Any:
        """The manager of a kernel in which nothing is defined."""
        from jupyter_client import AsyncKernelManager
        from nbclient.util import run_sync

        if self._manager is None:
            self.work.mkdir(parents=True, exist_ok=True)
            self._manager = AsyncKernelManager(kernel_name=NAME)
            options = ["--HistoryManager.enabled=False"]
            with (self.work / f"{self.name}.log").open("wb") as log:  # the kernel keeps its own handle
                start = run_sync(self._manager.start_kernel)
                start(cwd=str(self.cwd), env=self.environment, extra_arguments=options, stdout=log, stderr=log)
        elif self._used:
            client = self._manager.blocking_client()
            client.start_channels()
            try:
                client.execute_interactive(AFRESH.format(folder=str(self.cwd)), silent=True, timeout=60)
            finally:
                client.stop_channels()
        self._used = True
        return self._manager


def _failure(node: Any, stage: str, index: int, error: str) -> Failure:
    """`index` counts the cells of the parameterised notebook, which holds one more than the stored one."""
    injected = sum(notebooks.INJECTED in cell.metadata.get("tags", []) for cell in node.cells[:index])
    lines = [line.strip() for line in node.cells[index].source.splitlines() if line.strip()]
    code = [line for line in lines if not line.startswith("#")]
    said = error.strip().split("\n")[0]
    for place, name in PLACES.items():
        said = said.replace(place, name)
    return Failure(stage, index + 1 - injected, next(iter(code or lines), ""), said)
