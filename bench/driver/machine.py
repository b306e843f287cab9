"""The description of the machine that a table belongs to."""

import datetime
import os
import pathlib
import platform
import re
import subprocess


def output(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def field(path, name):
    found = re.search(rf"^{name}\s*[:=]\s*\"?(.*?)\"?$", pathlib.Path(path).read_text(), re.M)
    return found[1] if found else ""


def packages(*names):
    found = [output("dpkg-query", "-W", "-f", "${Package} ${Version}", name) for name in names]
    return ", ".join(filter(None, found))


def load():
    return " ".join(f"{value:.2f}" for value in os.getloadavg())


def huge_pages():
    path = pathlib.Path("/sys/kernel/mm/transparent_hugepage")
    chosen = {name: re.search(r"\[(\w+)\]", (path / name).read_text()) for name in ("enabled", "shmem_enabled")
              if (path / name).exists()}
    return ", ".join(f"{name} {match[1]}" for name, match in chosen.items() if match)


def describe(tool, repository):
    """Lines of a name and a text."""
    virtual = output("systemd-detect-virt", "--vm") or ("yes" if "hypervisor" in field("/proc/cpuinfo", "flags") else "no")
    commit = output("git", "-C", str(repository), "describe", "--always", "--dirty", "--exclude=*")
    return [
        ("date", datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")),
        ("processor", f"{field('/proc/cpuinfo', 'model name')}, {len(os.sched_getaffinity(0))} CPUs used"),
        ("virtual machine", virtual),
        ("memory", f"{int(field('/proc/meminfo', 'MemTotal').split()[0]) / 2**20:.1f} GiB"),
        ("huge pages", huge_pages()),
        ("host kernel", f"{platform.system()} {platform.release()}"),
        ("system", field("/etc/os-release", "PRETTY_NAME")),
        ("martlet", f"{output(str(tool), '--version')}, commit {commit}"),
        ("peers", packages("runsc", "user-mode-linux") or "none"),
        ("load at the start", load()),
    ]
