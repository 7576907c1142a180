"""A folder of files for sync and backup clients, and the comparison of two such folders."""

import filecmp
import os
import pathlib
import random

NAMES = ["plain.txt", "with space.txt", "ünïcode-日本.bin", "plus+and%percent", "deep/er/and/deeper.txt", "empty", "a&b=c.txt"]


def make(folder, big_bytes=12 * 1024 * 1024, many=60):
    """Files of odd names, `many` small ones, and one of `big_bytes` that clients send in parts."""
    folder, numbers = pathlib.Path(folder), random.Random("tree")
    for name in NAMES:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"" if name == "empty" else numbers.randbytes(numbers.randrange(1, 5000)))
    for number in range(many):
        path = folder / f"many/{number % 7}/file-{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(numbers.randbytes(numbers.randrange(0, 20000)))
    (folder / "big.bin").write_bytes(numbers.randbytes(big_bytes))
    return folder


def files(folder):
    folder = pathlib.Path(folder)
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def same(left, right):
    """Raises unless both folders hold the same files with the same bytes."""
    if files(left) != files(right):
        raise AssertionError(f"files differ: {sorted(set(files(left)) ^ set(files(right)))[:10]}")
    for name in files(left):
        if not filecmp.cmp(os.path.join(left, name), os.path.join(right, name), shallow=False):
            raise AssertionError(f"bytes of {name} differ")
