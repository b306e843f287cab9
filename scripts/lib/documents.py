"""What the documents take from the sources: marked regions that are written anew, and names that must be the same.

A region begins with `<!-- begin NAME -->` and ends with `<!-- end NAME -->`; what lies between is made here.
"""

import pathlib
import re

from check import Result

TABLE = "Sources/Kernel/Syscalls/Table.swift"
HOST_CALLS = "Sources/Machine/Door/HostCalls.swift"
CLONE_KINDS = "Sources/Machine/Carriers/Carrier.swift"
RANKS = "Sources/Machine/Locks/LockRank.swift"

# A family of system calls: its title, the files of Sources/Kernel/Syscalls that have its handlers, and the calls that no
# file has yet.
FAMILIES = [
    ("Files: opening, reading, writing", "FilesOpening FilesReading FilesData FilesControl FilesMemory Splicing",
     "name_to_handle_at open_by_handle_at remap_file_pages"),
    ("Files: names, status, attributes", "FilesNaming FilesDirectories FilesStatus FilesAttributes FilesExtended",
     "ustat sysfs"),
    ("Mounts", "FilesMounts",
     "open_tree move_mount fsopen fsconfig fsmount fspick mount_setattr quotactl quotactl_fd swapon swapoff"),
    ("Memory", "Memory",
     "pkey_mprotect pkey_alloc pkey_free userfaultfd memfd_secret process_madvise process_mrelease mbind set_mempolicy "
     "get_mempolicy set_mempolicy_home_node migrate_pages move_pages"),
    ("Processes and threads", "Processes Exec ProcessControl PidFiles LimitCalls",
     "ptrace kcmp acct uselib rseq modify_ldt set_thread_area get_thread_area iopl ioperm"),
    ("Scheduling", "Scheduling", ""),
    ("Futexes", "FutexCalls", "futex_waitv"),
    ("Identity", "Identity", "add_key request_key keyctl"),
    ("Signals", "Signals SignalFiles", ""),
    ("Time", "Clocks TimerCalls", "adjtimex clock_adjtime"),
    ("Pipes, polling, event files", "Pipes Polling Epoll EventFiles FilesInotify",
     "epoll_ctl_old epoll_wait_old inotify_init inotify_init1 inotify_add_watch inotify_rm_watch fanotify_init "
     "fanotify_mark"),
    ("Sockets", "Sockets SocketMessages", ""),
    ("System V and POSIX IPC", "SharedMemory",
     "shmget shmat shmctl shmdt semget semop semctl semtimedop msgget msgsnd msgrcv msgctl mq_open mq_unlink "
     "mq_timedsend mq_timedreceive mq_notify mq_getsetattr"),
    ("Asynchronous I/O", "",
     "io_setup io_destroy io_getevents io_pgetevents io_submit io_cancel io_uring_setup io_uring_enter "
     "io_uring_register"),
    ("System", "System",
     "vhangup lookup_dcookie kexec_load kexec_file_load init_module delete_module finit_module perf_event_open bpf "
     "seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self"),
    ("Gone from Linux too", "",
     "_sysctl create_module get_kernel_syms query_module nfsservctl getpmsg putpmsg afs_syscall tuxcall security "
     "vserver"),
]


class Fault(Exception):
    """The sources are not as this file takes them to be."""


def system_calls(repository):
    """(number, name, arguments, handler or None) of each call that Linux has."""
    rows = re.findall(r'^  SyscallEntry\("(\w*)"(?:, "([^"]*)"\) \{.*?try (sys\w+)\(|\)),?.*?// (\d+)$',
                      (repository / TABLE).read_text(), re.M)
    if not rows or [int(row[3]) for row in rows] != list(range(len(rows))):
        raise Fault(f"{TABLE} is not a table of rows numbered from 0")
    return [(int(number), name, arguments, handler or None) for name, arguments, handler, number in rows if name]


def families(repository):
    """(title, calls) for each family; every call is in one."""
    home = {}
    for path in sorted((repository / TABLE).parent.glob("*.swift")):
        for handler in re.findall(r"\bfunc (sys[A-Z]\w*)\(", path.read_text()):
            home[handler] = path.stem
    of_file = {file: title for title, files, _ in FAMILIES for file in files.split()}
    of_name = {name: title for title, _, names in FAMILIES for name in names.split()}
    found = {title: [] for title, _, _ in FAMILIES}
    for call in system_calls(repository):
        _, name, _, handler = call
        title = of_file.get(home.get(handler)) if handler else of_name.get(name)
        if title is None:
            file = f" or {home[handler]}" if handler in home else ""
            raise Fault(f"FAMILIES in scripts/lib/documents.py has no place for {name}{file}")
        found[title].append(call)
    return list(found.items())


def summary(repository):
    lines = ["| family | calls that work | not implemented |", "|---|---|---|"]
    total = missing = 0
    for title, calls in families(repository):
        absent = [name for _, name, _, handler in calls if not handler]
        total += len(calls)
        missing += len(absent)
        lines.append(f"| {title} | {len(calls) - len(absent)} of {len(calls)} | "
                     f"{' '.join(f'`{name}`' for name in absent) or '–'} |")
    return [f"{total - missing} of the {total} calls that the table knows are implemented.", "", *lines]


def all_calls(repository):
    lines = []
    for title, calls in families(repository):
        lines += [f"## {title}", "", "| number | call | arguments |", "|---|---|---|"]
        for number, name, arguments, handler in calls:
            shown = (f"`{arguments}`" if arguments else "") if handler else "not implemented: ENOSYS"
            lines.append(f"| {number} | `{name}` | {shown} |")
        lines.append("")
    return lines[:-1]


def host_calls(repository):
    numbers = {name: number for number, name, _, _ in system_calls(repository)}
    text = (repository / HOST_CALLS).read_text()
    text = text[text.index("func allowedCalls"):]
    rows = re.findall(r'AllowedCall\(\s*(\w+), "(\w+)", "([^"]*)"(?:, argument: (\d),\s*\[(.*?)\])?\)', text, re.S)
    if len(rows) != text.count("AllowedCall(") or not rows:
        raise Fault(f"{HOST_CALLS} has rows that are not understood")
    lines = ["| number | call | reason | bounded |", "|---|---|---|---|"]
    for number, name, reason, argument, values in rows:
        number = numbers[name] if number == f"__NR_{name}" else int(number)
        bound = f"argument {argument}: {', '.join(bounded(values))}" if argument else ""
        lines.append(f"| {number} | `{name}` | {reason} | {bound} |")
    return [f"{len(rows)} calls.", "", *lines]


def bounded(values):
    result = []
    for value in re.split(r",\s*(?![^(]*\))", values):
        value = re.sub(r"^UInt32\((.*)\)$", r"\1", value.strip()).removeprefix("LINUX_")
        result.append(f"`{value.removesuffix('.flags')}`")
    return result


def clone_kinds(repository):
    text = (repository / CLONE_KINDS).read_text()
    thread = re.search(r"let thread =\s*(.*(?:\n\s+\|.*)*)", text)
    process = re.search(r"let process = UInt32\((.*)\)", text)
    if not thread or not process or "UInt(process) | UInt(CLONE_PARENT)" not in text:
        raise Fault(f"{CLONE_KINDS}: the flags of CloneKind are not understood")
    thread, process = (" ".join(f"`{flag}`" for flag in match[1].split(" | ")) for match in (thread, process))
    return ["| kind | flags |", "|---|---|", f"| `CloneKind.thread` | {thread} |",
            f"| `CloneKind.process` | {process} `CLONE_PARENT` |", f"| `CloneKind.pool` | {process} |"]


def ranks(repository, enum):
    """(name, comment) in order, of MutexRank or LockRank."""
    body = re.search(rf"^public enum {enum}\b.*?^}}$", (repository / RANKS).read_text(), re.M | re.S)
    return re.findall(r"^  case (\w+)(?: = 1)?(?:  // (.*))?$", body[0], re.M)


def lock_users(repository):
    spinning, sleeping = {}, {}
    for path in sorted((repository / "Sources").rglob("*.swift")):
        if "KUnit" in path.parts:
            continue
        for line in path.read_text().splitlines():
            names = re.findall(r"(?:\brank: (?:mode .* \? )?|lockTaken\()\.(\w+)", line)
            names += re.findall(r"\brank: (?:mode .* :|LockRank =) \.(\w+)\)", line)
            kind = sleeping if "Mutex" in line else spinning
            for name in names:
                kind.setdefault(name, {})[path.stem] = None
    lines = ["| rank | kind | locks in | note |", "|---|---|---|---|"]
    for enum, kind, users in [("MutexRank", "sleeping", sleeping), ("LockRank", "spinning", spinning)]:
        for name, comment in ranks(repository, enum):
            files = " ".join(f"`{file}`" for file in users.get(name, {}))
            lines.append(f"| `{name}` | {kind} | {files} | {comment} |")
    return lines


REGIONS = {
    "README.md": {"system-calls": summary},
    "docs/system-calls.md": {"calls": all_calls},
    "docs/host-calls.md": {"host-calls": host_calls, "clone-kinds": clone_kinds},
    "docs/locking.md": {"lock-users": lock_users},
}


def rewritten(repository, name):
    """The document's text with its regions made anew."""
    text = (repository / name).read_text()
    for region, make in REGIONS[name].items():
        begin, end = f"<!-- begin {region} -->", f"<!-- end {region} -->"
        if text.count(begin) != 1 or text.count(end) != 1:
            raise Fault(f"{name} has no region {region}")
        head, rest = text.split(begin)
        _, tail = rest.split(end)
        text = head + "\n".join([begin, "", *make(repository), "", end]) + tail
    return text


def stale(repository):
    places = []
    for name in REGIONS:
        try:
            if rewritten(repository, name) != (repository / name).read_text():
                places.append(f"{name}: `make docs` brings it up to date")
        except (Fault, OSError) as fault:
            places.append(str(fault))
    return Result("generated parts of the documents", places)


def lock_tree(repository):
    """The trees in docs/locking.md have the enums' names, each below one that is taken before it."""
    places = lock_places(repository, "MutexRank", "mutexes") + lock_places(repository, "LockRank", "locks")
    return Result("docs/locking.md has the order of MutexRank and LockRank", places)


def lock_places(repository, enum, fence):
    order = [name for name, _ in ranks(repository, enum)]
    block = re.search(rf"^```{fence}\n(.*?)^```$", (repository / "docs/locking.md").read_text(), re.M | re.S)
    places, above, seen = [], [], []
    for line in block[1].splitlines() if block else []:
        depth, name = (len(line) - len(line.lstrip())) // 2, line.split()[0]
        if name not in order:
            places.append(f"docs/locking.md: {name} is no {enum}")
            continue
        above[depth:] = [name]
        if depth and order.index(above[depth - 1]) >= order.index(name):
            places.append(f"docs/locking.md: {name} stands below {above[depth - 1]}, which is taken after it")
        seen.append(name)
    places += [f"docs/locking.md: {name} is missing" for name in order if name not in seen]
    places += [f"docs/locking.md: {name} is there twice" for name in set(seen) if seen.count(name) > 1]
    return places


def numbers(repository):
    """The table's numbers are those of the kernel's header; calls newer than the table are none of its business."""
    header = pathlib.Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
    title = "system calls have the numbers of <asm/unistd_64.h>"
    if not header.exists():
        return Result(title, [f"{header} is missing: `scripts/prerequisites` installs linux-libc-dev"])
    linux = {int(number): name for name, number in re.findall(r"^#define __NR_(\w+)\s+(\d+)$", header.read_text(), re.M)}
    table = {number: name for number, name, _, _ in system_calls(repository)}
    length = (repository / TABLE).read_text().count("\n  SyscallEntry(")
    places = [f"{number} is {table.get(number, 'nothing')}, in the header {name}" for number, name in linux.items()
              if number < length and table.get(number) != name]
    places += [f"{number} is {name}, in the header nothing" for number, name in table.items() if number not in linux]
    return Result(title, places)


def references(repository, files):
    """Every path to a document, and every relative link of one, leads somewhere."""
    places = []
    for name, path in files:
        if name.endswith((".swift", ".c", ".h", ".S", ".md", ".py")) or name in ("Makefile", "Package.swift"):
            text = path.read_text(errors="replace")
            named = {match for match in re.findall(r"\bdocs/[\w-]+\.(?:md|svg)\b", text)}
            places += [f"{name}: there is no {target}" for target in sorted(named) if not (repository / target).exists()]
            if name.endswith(".md"):
                for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
                    if not (path.parent / target).exists():
                        places.append(f"{name}: the link to {target} leads nowhere")
                for target in re.findall(r"`((?:Sources|Tests|scripts|root)/[\w./+-]+)`", text):
                    if "/." not in target and not (repository / target).exists():
                        places.append(f"{name}: there is no {target}")
    return Result("references to documents and files", places)


def run(repository, files):
    try:
        return [stale(repository), numbers(repository), lock_tree(repository), references(repository, files)]
    except (Fault, OSError) as fault:
        return [Result("the documents", [str(fault)])]
