"""Busybox and musl for a machine without an MMU, built from Debian's source packages: position-independent, without fork."""

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

import debian

RECIPE = pathlib.Path(__file__).resolve().parent.parent / "nommu"
HEADERS = {"linux": "/usr/include/linux", "asm-generic": "/usr/include/asm-generic", "mtd": "/usr/include/mtd",
           "asm": "/usr/include/x86_64-linux-gnu/asm"}  # the kernel's, which musl does not bring
RESULTS = {"bin/busybox": "busybox/busybox", "lib/ld-musl-x86_64.so.1": "musl/lib/libc.so",
           "usr/share/doc/busybox.copyright": "busybox-source/debian/copyright",
           "usr/share/doc/musl.copyright": "musl-source/debian/copyright"}


def programs(cache, update):
    """{path in the root: bytes}, kept in the cache until the sources or the recipe change."""
    descriptions = debian.sources(["musl", "busybox"], cache, update)
    inputs = [*descriptions.values(), pathlib.Path(__file__), *sorted(RECIPE.iterdir())]
    key = hashlib.sha256(b"".join(path.read_bytes() for path in inputs)).hexdigest()[:16]
    kept = cache / f"nommu-{key}"
    if not kept.exists():
        for old in cache.glob("nommu-*"):
            shutil.rmtree(old)
        with debian.temporary(cache) as folder:
            print("building musl and busybox for --mmu none: a minute or so", file=sys.stderr, flush=True)
            new = Build(pathlib.Path(folder), cache / "nommu.log").all(descriptions)
            new.rename(kept)
    return {path: (kept / pathlib.Path(path).name).read_bytes() for path in RESULTS}


class Build:
    def __init__(self, folder, log):
        self.folder, self.log = folder, log
        # Nothing of the caller's: a make that calls this would give its own variables and flags to those below.
        self.environment = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        self.environment["LC_ALL"] = "C"
        self.make = ["make", f"-j{len(os.sched_getaffinity(0))}"]
        log.write_text("")

    def run(self, *command, place=".", **options):
        with self.log.open("a") as log:
            log.write(f"+ {' '.join(map(str, command))}\n")
            log.flush()
            done = subprocess.run([*map(str, command)], cwd=self.folder / place, env=self.environment, stdout=log,
                                  stderr=subprocess.STDOUT, text=True, **options)
        if done.returncode:
            debian.fail(f"'{command[0]}' failed while building for --mmu none: {self.log} has the reason")

    def all(self, descriptions):
        """Builds; gives a folder with what the root wants."""
        for name, description in descriptions.items():
            self.run("dpkg-source", "--no-check", "-x", description, f"{name}-source")  # apt has checked it
        for patch in sorted(RECIPE.glob("*.patch")):
            self.run("patch", "-p1", "-i", patch, place="busybox-source")
        self.musl()
        version = next(line.split()[1] for line in descriptions["busybox"].read_text().splitlines()
                       if line.startswith("Version:"))
        self.busybox(f"Debian {version} without an MMU")
        results = self.folder / "results"
        results.mkdir()
        for path, source in RESULTS.items():
            shutil.copy(self.folder / source, results / pathlib.Path(path).name)
        self.run("strip", results / "ld-musl-x86_64.so.1")
        return results

    def musl(self):
        place = self.folder / "musl"
        place.mkdir()
        self.run("../musl-source/configure", f"--prefix={place}", "CC=gcc", "CFLAGS=-O2", place="musl")
        self.run(*self.make, place="musl")
        self.run(*self.make, "install-headers", place="musl")
        for name, target in HEADERS.items():
            (place / "include" / name).symlink_to(target)

    def busybox(self, version):
        place, musl = self.folder / "busybox", self.folder / "musl"
        place.mkdir()
        (place / ".config").write_text(configuration(self.folder / "busybox-source/debian/config/pkg/static"))
        self.run("make", "-C", "../busybox-source", f"O={place}", "oldconfig", place="busybox", input="\n" * 1000)
        own = subprocess.run(["gcc", "-print-file-name=include"], capture_output=True, text=True, check=True).stdout.strip()
        self.run(*self.make, f"BB_EXTRA_VERSION={version}", place="busybox",
                 *(f"CONFIG_EXTRA_CFLAGS=-fPIE -nostdinc -isystem {musl}/include -isystem {own}",
                   f"CFLAGS_busybox=-static-pie -B{musl}/lib -L{musl}/lib"))


def configuration(base):
    """Debian's for busybox-static, with our settings instead of its own."""
    ours = (RECIPE / "busybox.config").read_text().splitlines()
    names = {name for name in map(symbol, ours) if name}
    return "\n".join([line for line in base.read_text().splitlines() if symbol(line) not in names] + ours) + "\n"


def symbol(line):
    """The setting that a line of the configuration makes: CONFIG_X=… or # CONFIG_X is not set."""
    word = line.removeprefix("# ").replace("=", " ").split(" ")[0]
    return word if word.startswith("CONFIG_") else None
