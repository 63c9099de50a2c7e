"""Takes from this process what a reader of a stranger's file does not need: memory, time, network, other programs."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import signal
import sys

_NO_NEW_PRIVILEGES, _DEATH_SIGNAL = 38, 1
_SET_FILTER, _ALL_THREADS = 1, 1
_LOAD, _EQUAL, _NOT_LESS, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM
_OTHER_NUMBERS = 0x40000000
"""From here on, calls of x86's third binary interface, which have other numbers."""
_CALLS = {
    # The kernel's number of the architecture; the call seccomp; then socket, connect, execve, execveat, ptrace,
    # process_vm_readv, process_vm_writev, io_uring_setup.
    "x86_64": (0xC000003E, 317, (41, 42, 59, 322, 101, 310, 311, 425)),
    "aarch64": (0xC00000B7, 277, (198, 203, 221, 281, 117, 270, 271, 425)),
}
"""Linux's numbers, from asm/unistd.h and linux/audit.h."""


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_ushort), ("yes", ctypes.c_ubyte), ("no", ctypes.c_ubyte), ("k", ctypes.c_uint))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("first", ctypes.POINTER(_Instruction)))


def limit(memory: int, seconds: int) -> None:
    """Take no more than so many bytes of data and seconds of processor time from here on, and leave no core dump.

    Beyond the time the process ends by SIGXCPU; beyond the memory there is a MemoryError, or the process aborts. On
    Linux it ends when its parent does.
    """
    for what, most in ((resource.RLIMIT_DATA, memory), (resource.RLIMIT_CPU, seconds), (resource.RLIMIT_CORE, 0)):
        _, hard = resource.getrlimit(what)
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (allowed, hard))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)


def cut_off() -> bool:
    """From here on open no network connection, start no program, and reach into no other process; for all threads.

    Returns:
        False where the system has no means for it: on Linux for other processors than x86-64 and AArch64, on kernels
        that refuse, and on other systems.
    """
    known = _CALLS.get(platform.machine()) if sys.platform == "linux" else None
    if known is None:
        return False
    architecture, seccomp, refused = known
    steps = [(_LOAD, 0, 0, 4), (_EQUAL, 0, len(refused) + 3, architecture), (_LOAD, 0, 0, 0)]
    steps += [(_NOT_LESS, len(refused) + 1, 0, _OTHER_NUMBERS)]
    steps += [(_EQUAL, len(refused) - i, 0, number) for i, number in enumerate(refused)]
    steps += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _REFUSE)]
    instructions = (_Instruction * len(steps))(*(_Instruction(*step) for step in steps))
    program = _Program(len(steps), instructions)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) != 0:
        return False
    return bool(libc.syscall(seccomp, _SET_FILTER, _ALL_THREADS, ctypes.byref(program)) == 0)


def why_it_ended(code: int) -> str:
    """In words, for an exit code of ``subprocess`` that is not 0."""
    if code == -signal.SIGXCPU:
        return "it takes too much time"
    if code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        return f"its reader was ended by {name}, as one is that takes too much memory"
    return f"its reader ended with code {code}, as one may that takes too much memory"


def child_path() -> list[str]:
    """Where a child process may import from: where this one does, but not from wherever the user happens to be."""
    return [os.path.abspath(entry) for entry in sys.path if entry]  # noqa: PTH100 - an entry may be no path
