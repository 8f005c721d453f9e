"""Runs a child under a filter that refuses io_uring with EPERM, as container runtimes do."""

import ctypes
import struct

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, MODE_FILTER = 38, 22, 2
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, EPERM = 0x7FFF0000, 0x00050001
IO_URING = (425, 426, 427)  # setup, enter, register: the same numbers on all 64-bit machines


def refuse_io_uring():
    """To be called in the child, between fork and exec."""
    program = [(LOAD, 0, 0, 0)]
    for place, number in enumerate(IO_URING):
        program.append((EQUAL, len(IO_URING) - place, 0, number))
    program += [(RETURN, 0, 0, ALLOW), (RETURN, 0, 0, EPERM)]
    code = b"".join(struct.pack("HBBI", *one) for one in program)
    filters = ctypes.create_string_buffer(code)
    head = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program), ctypes.addressof(filters)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(PR_SET_SECCOMP, MODE_FILTER, head, 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp")
