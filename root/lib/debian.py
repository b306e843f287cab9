"""Debian's packages and their sources, through apt and as any user; they are kept in a folder, the cache."""

import hashlib
import io
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile

KEYRING = pathlib.Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def fail(message):
    sys.exit(f"root/build: {message}")


def run(*command, **options):
    try:
        return subprocess.run([*map(str, command)], check=True, capture_output=True, **options).stdout
    except FileNotFoundError:
        fail(f"{command[0]} is missing: this needs a Debian host")
    except subprocess.CalledProcessError as error:
        lines = error.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        fail(f"'{' '.join(map(str, command))}' failed: {lines[-1]}")


def field(package, name):
    return run("dpkg-deb", "--field", package, name).decode().strip()


def is_listed(package):
    """Is this file what apt's signed lists describe?"""
    record = run("apt-cache", "show", f"{field(package, 'Package')}={field(package, 'Version')}").decode()
    sums = {line.split()[1] for line in record.splitlines() if line.startswith("SHA256:")}
    return hashlib.sha256(package.read_bytes()).hexdigest() in sums


def temporary(cache):
    """A folder in the cache that apt's own user can enter."""
    folder = tempfile.TemporaryDirectory(dir=cache)
    os.chmod(folder.name, 0o755)
    return folder


def binary(name, cache, update):
    """The package's file."""
    kept = sorted(cache.glob(f"{name}_*_amd64.deb"))
    if kept and not update:
        return kept[-1]
    with temporary(cache) as folder:
        run("apt-get", "download", f"{name}:amd64", cwd=folder)
        found = list(pathlib.Path(folder).glob("*.deb"))
        if len(found) != 1:
            fail(f"apt-get did not download {name}; is a Debian archive among your apt sources?")
        if not is_listed(found[0]):
            fail(f"the package {found[0].name} is not what apt's lists describe")
        for old in kept:
            old.unlink()
        return found[0].rename(cache / found[0].name)


def contents(package):
    archive = tarfile.open(fileobj=io.BytesIO(run("dpkg-deb", "--fsys-tarfile", package)))
    return {member.name: archive.extractfile(member).read() for member in archive if member.isfile()}


def sources(names, cache, update):
    """The description (.dsc) of each source package, beside the files that it names."""
    places = {name: cache / f"{name}-source" for name in names}
    if update or not all(list(place.glob("*.dsc")) for place in places.values()):
        with temporary(cache) as folder:
            environment = source_lists(pathlib.Path(folder))
            run("apt-get", "update", "--error-on=any", env=environment)
            for name, place in places.items():
                new = pathlib.Path(folder) / name
                new.mkdir()
                run("apt-get", "source", "--download-only", name, cwd=new, env=environment)
                for old in place.glob("*"):
                    old.unlink()
                place.mkdir(exist_ok=True)
                for file in new.iterdir():
                    file.rename(place / file.name)
    return {name: next(place.glob("*.dsc")) for name, place in places.items()}


def source_lists(folder):
    """An environment in which apt knows the sources of the packages that it knows, with lists of its own in `folder`: the
    machine's seldom have sources, and are root's. All else is as the machine has it, but for what it runs after an update."""
    targets = run("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)",
                  "Created-By: Packages", "Origin: Debian").decode()
    if not targets:
        fail("apt has no lists of a Debian archive: run 'apt-get update'")
    signed = f"[signed-by={KEYRING}] " if KEYRING.exists() else ""
    (folder / "sources.list").write_text("".join(f"deb-src {signed}{target}\n" for target in sorted(set(targets.splitlines()))))
    (folder / "lists/partial").mkdir(parents=True)
    settings = [line for line in run("apt-config", "dump").decode().splitlines() if not line.startswith("APT::Update::")]
    settings += ['Dir::Etc::Main "/dev/null";', 'Dir::Etc::Parts "/dev/null";', 'Dir::Etc::SourceParts "/dev/null";',
                 f'Dir::Etc::SourceList "{folder}/sources.list";', f'Dir::State::Lists "{folder}/lists";',
                 'Dir::Cache::pkgcache "";', 'Dir::Cache::srcpkgcache "";']
    (folder / "apt.conf").write_text("\n".join(settings) + "\n")
    return os.environ | {"APT_CONFIG": f"{folder}/apt.conf"}
