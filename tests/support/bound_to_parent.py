"""A program that becomes another one, after asking the kernel to kill it when the thread that started it ends.

Run as `python bound_to_parent.py PARENT_PID COMMAND ARGUMENT...`; see `tests.support.processes`, which does. The
process keeps its id, so what is waited for and killed is the command itself. Where there is no prctl(2) the command
just runs.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            # The parent ended before the kernel was asked: nobody would ever end the command.
            sys.exit(1)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
