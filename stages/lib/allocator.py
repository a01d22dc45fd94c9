"""The C library's memory allocator, told to keep what torch frees."""

import contextlib
import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h


def keep_freed_memory() -> None:
    """glibc hands every block over 32 MB straight back to the kernel and has it zeroed page by page when torch asks
    again a moment later: on CPUs up to half of a convolution's time. Ours: keep it. Elsewhere this does nothing."""
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError, AttributeError):
            mallopt = ctypes.CDLL("libc.so.6").mallopt
            mallopt(_M_MMAP_THRESHOLD, 2**30 - 1)
            mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
