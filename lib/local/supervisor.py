"""Runs a command and ends it, with all that it started, once its caller is gone.

The caller holds the other end of this process's standard input. Closing it, or dying in
whatever way, ends the command: nothing is left behind even if the caller is killed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence

GRACE_SECONDS = 10.0


def supervise(command: Sequence[str], lifeline: int, grace_seconds: float = GRACE_SECONDS) -> int:
    """Run a command to its end, or until the lifeline ends.

    Parameters
    ----------
    command
        The program and its arguments; it gets a process group of its own and no input.
    lifeline
        A file descriptor. When it reaches its end, the group is asked to stop, and killed
        after ``grace_seconds``.

    Returns
    -------
    int
        The command's exit code, negative for a signal.
    """
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)

    def end_with_the_caller() -> None:
        while os.read(lifeline, 4096):
            pass
        _signal_group(child.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(grace_seconds)
        _signal_group(child.pid, signal.SIGKILL)

    threading.Thread(target=end_with_the_caller, daemon=True).start()
    exit_code = child.wait()
    _signal_group(child.pid, signal.SIGKILL)  # what it left running
    return exit_code


def _signal_group(group_id: int, number: signal.Signals) -> None:
    # macOS says "not permitted" of a group that holds only dead processes.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group_id, number)


if __name__ == "__main__":
    sys.exit(supervise(sys.argv[1:], sys.stdin.fileno()))
