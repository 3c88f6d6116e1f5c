"""Freed memory stays with the process, seen in the page faults of a process of its own."""

import os
import platform
import subprocess
import sys

import pytest

ROUNDS = """
import resource
import torch
from selfsame.models.allocator import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        [torch.zeros(2 * 1024 * 1024) for _ in range(8)]
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

torch.set_num_threads(1)
default = faults()
keep_freed_memory()
faults()
print(default, faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left alone")
def test_memory_is_paged_in_once() -> None:
    """Ten times eight tensors of 8 MiB, before the call and after."""
    command = [sys.executable, "-c", ROUNDS]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    default, kept = map(int, done.stdout.split())
    assert kept < default / 10
