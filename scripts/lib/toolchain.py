"""Finds the programs that come with the Swift toolchain; those in PATH may be older ones."""

import functools
import json
import pathlib
import shutil
import subprocess
import sys


@functools.cache
def folder():
    try:
        output = subprocess.run(["swift", "-print-target-info"], capture_output=True, check=True).stdout
        return pathlib.Path(json.loads(output)["paths"]["runtimeResourcePath"]).parent.parent / "bin"
    except (OSError, subprocess.CalledProcessError, KeyError, ValueError):
        return pathlib.Path("/nonexistent")


def program(name):
    path = folder() / name
    found = str(path) if path.exists() else shutil.which(name)
    if found is None:
        sys.exit(f"{name} is missing: it comes with the Swift toolchain")
    return found
