"""The host's own programs: natively, then under `--root / --ro` with a /tmp of their own."""

import os
import re
import shutil
import subprocess

import pytest

import programs

HELLO = '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n'
PYTHON = ('import threading, json, subprocess; '
          'print(subprocess.run(["echo","hi"],capture_output=True))')
THREADS = ("import threading, queue; q = queue.Queue(); "
           "ts = [threading.Thread(target=lambda n=n: [q.put(n) for _ in range(1000)]) for n in range(8)]; "
           "[t.start() for t in ts]; [t.join() for t in ts]; print(q.qsize())")

# Name, shell line (its directory is the private /tmp), regular expression for the whole output.
LINES = [
    ("true", "for i in $(seq 200); do /bin/true; done; echo done", "done\n"),
    ("python", f"python3 -c '{PYTHON}'", r"CompletedProcess\(.*stdout=b'hi\\n'.*\)\n"),
    ("python-threads", f"python3 -c '{THREADS}'", "8000\n"),
    ("perl", "perl -e 'print 2**10'", "1024"),
    ("git", "git init -q r && git -C r status && cd r && echo x >f && git add f && "
            "git -c user.name=a -c user.email=b commit -qm m && git log --oneline | wc -l", r"(?s)On branch.*\n1\n"),
    ("gcc", "printf '%s' \"$HELLO\" >h.c && gcc -O2 h.c -o h && ./h", "hello\n"),
    ("gcc-static", "printf '%s' \"$HELLO\" >h.c && gcc -O2 -static h.c -o h && ./h", "hello\n"),
    ("tar", "mkdir d && cp -r /usr/include/linux d && ln -s linux d/l && tar -czf a.tgz d && mkdir e && "
            "tar -xzf a.tgz -C e && diff -r d e/d && echo same", "same\n"),
    ("sort", "seq $SORTED | tac >n && sort -n n | sha256sum && seq $SORTED | sha256sum",
     r"([0-9a-f]{64})  -\n\1  -\n"),
    ("dd", "dd if=/dev/zero of=z bs=1M count=50 status=none && dd if=z bs=4k status=none | wc -c && "
           "dd if=z of=z2 bs=64k conv=fsync status=none && cmp z z2 && echo same", "52428800\nsame\n"),
    ("ps", "ps aux | grep -c 'ps aux'", r"[1-9]\d*\n"),
    ("top", "top -b -n1 | head -1", r"top - .*load average.*\n"),
    ("awk", "awk 'BEGIN { for (i = 0; i < 10000; i++) s += i; print s }'", "49995000\n"),
    ("pipes", "seq 100000 | grep 7 | sed s/7/x/g | sort -r | uniq | tail -1 | cat", ".*x.*\n"),
    ("background", "for i in 1 2 3 4 5 6 7 8; do (sleep 0.1; echo $i) & done; wait; echo all", r"(\d\n){8}all\n"),
    ("here-document", "cat <<END | tr a-z A-Z\nhello\nEND", "HELLO\n"),
    ("substitution", "diff <(seq 5) <(seq 6); echo $?", "5a6\n> 6\n1\n"),
    ("compress", "seq 200000 >a && gzip -k a && xz -k a && zcat a.gz | cmp - a && xzcat a.xz | cmp - a && echo same",
     "same\n"),
    ("signals", "trap 'echo caught' USR1; kill -USR1 $$; (sleep 0.2; kill -USR1 $$) & wait; wait; echo end",
     "caught\ncaught\nend\n"),
    ("files", "mkdir -p a/b/c && touch a/b/c/{1..300} && find a -type f | wc -l && rm -r a && ls", "300\n"),
    ("locale", "locale -a | grep -c C", r"\d+\n"),
    ("make", "printf 'all: a b c\\n%%:\\n\\t@sleep 0.1; echo $@ >$@\\n' >Makefile && make -sj3 && cat a b c", "a\nb\nc\n"),
]

CASES = [pytest.param(*line, id=line[0]) for line in LINES]


def variables(request):
    return {"HELLO": HELLO, "SORTED": "30000000" if request.config.getoption("--long") else "2000000"}


def judge(result, wanted):
    assert result.status == 0 and not result.timed_out, result.explain()
    assert re.fullmatch(wanted, result.out), result.explain()


@pytest.mark.native
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name, line, wanted", CASES)
def test_native(name, line, wanted, place, request):
    judge(programs.run(["bash", "-c", line], 600, cwd=place, env=os.environ | variables(request)), wanted)


def options(cpus, place, request):
    words = ["--cpus", cpus, "--root", "/", "--ro", "-v", f"{place}:/tmp", "-w", "/tmp"]
    for key, value in variables(request).items():
        words += ["-e", f"{key}={value}"]
    return words


@pytest.mark.timeout(900)
@pytest.mark.parametrize("cpus", ["1", "2", "4"])
@pytest.mark.parametrize("name, line, wanted", CASES)
def test_martlet(tool, name, line, wanted, cpus, place, request):
    judge(tool.run("/bin/bash", "-c", line, options=options(cpus, place, request), timeout=600), wanted)


# Of each kind one; all with --long.
HOOKED = {"python", "perl", "git", "gcc", "tar", "pipes", "background", "substitution", "signals", "make"}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name, line, wanted", CASES)
def test_under_each_hook(tool, name, line, wanted, hook, place, request):
    if name not in HOOKED and not request.config.getoption("--long"):
        pytest.skip("only with --long")
    judge(tool.run("/bin/bash", "-c", line, options=[*options("2", place, request), "--hook", hook], timeout=600), wanted)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name, line, wanted", CASES[:6])
def test_as_anybody(anybody, name, line, wanted, place, request):
    place.chmod(0o777)
    judge(anybody.run("/bin/bash", "-c", line, options=options("2", place, request), timeout=600), wanted)


def test_find_everything(tool, place, request):
    """`find / -xdev`; of what does not change, the list is the host's."""
    result = tool.run("find", "/", "-xdev", options=options("2", place, request), timeout=600)
    assert result.status == 0, result.explain()
    assert len(result.out.splitlines()) > 1000
    here = subprocess.run(["find", "/usr/bin", "/etc", "-xdev"], capture_output=True, text=True).stdout
    there = tool.run("find", "/usr/bin", "/etc", "-xdev", options=options("2", place, request), timeout=600)
    assert there.out.split("\n") == here.split("\n")


@pytest.mark.parametrize("language", ["rust", "go"])
def test_other_static_binaries(tool, language, place, request):
    if language == "rust":
        if not shutil.which("rustc"):
            pytest.skip("no rustc")
        (place / "p.rs").write_text(
            'use std::thread;\nfn main() { let t: Vec<_> = (0..8).map(|i| thread::spawn(move || i * i)).collect();\n'
            'println!("{}", t.into_iter().map(|h| h.join().unwrap()).sum::<i32>()); }\n')
        build = ["rustc", "-O", "-C", "target-feature=+crt-static", "p.rs", "-o", "p"]
    else:
        if not shutil.which("go"):
            pytest.skip("no go")
        (place / "p.go").write_text(
            'package main\nimport "fmt"\nfunc main() { c := make(chan int); for i := 0; i < 8; i++ '
            '{ go func(i int) { c <- i * i }(i) }; s := 0; for i := 0; i < 8; i++ { s += <-c }; fmt.Println(s) }\n')
        build = ["go", "build", "-o", "p", "p.go"]
    environment = os.environ | {"CGO_ENABLED": "0", "GOCACHE": str(place / "cache")}
    subprocess.run(build, cwd=place, check=True, env=environment, timeout=300)
    assert programs.run([place / "p"], 30).out == "140\n"
    for cpus in ["1", "2", "4"]:
        result = tool.run("/tmp/p", options=options(cpus, place, request))
        assert (result.status, result.out) == (0, "140\n"), result.explain()


def test_hostfs_stays_inside(tool, place):
    """`--root DIR` never resolves outside DIR, whatever links and dots say."""
    root = place / "root"
    for name in ["bin", "tmp", "etc"]:
        (root / name).mkdir(parents=True)
    (place / "secret").write_text("outside")
    (root / "etc" / "inside").write_text("inside")
    (root / "abs").symlink_to("/etc/inside")
    (root / "up").symlink_to("../../../../../../secret")
    (root / "real").symlink_to(str(place / "secret"))
    shutil.copy(programs.build("behave"), root / "bin" / "behave")
    shutil.copy("/bin/busybox", root / "bin" / "busybox")

    def cat(path):
        return tool.run("/bin/busybox", "cat", path, options=["--root", root, "--ro"])

    assert cat("/abs").out == "inside"
    assert cat("/../../etc/inside").out == "inside"
    for path in ["/up", "/real", "/../secret", "/etc/../../secret", "/proc/self/cwd/../secret", "/tmp/../../secret"]:
        result = cat(path)
        assert result.status != 0 and "outside" not in result.out, (path, result.explain())


def test_host_changes_are_seen(tool, place):
    """A link, a directory and a mode that the host changes between two calls: the next call sees what is there."""
    for name in "ab":
        (place / name).mkdir()
        (place / name / "f").write_text(f"#!/bin/echo {name}\n")
        (place / name / "f").chmod(0o755)
    loop = "while read word; do cat l/f | head -1; l/f; [ -x b/f ]; echo $?; done 2>&1"
    more = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    options = ["--root", "/", "--ro", "-v", f"{place}:/mnt", "-w", "/mnt"]

    def point(target):
        (place / "new").symlink_to(target)
        (place / "new").rename(place / "l")

    with tool.start("sh", "-c", loop, options=options, **more) as machine:
        def answer():
            machine.stdin.write("go\n")
            machine.stdin.flush()
            return [machine.stdout.readline() for _ in range(3)]

        for name in "abab":
            point(name)
            for _ in range(3):
                assert answer() == [f"#!/bin/echo {name}\n", f"{name} l/f\n", "0\n"]
        (place / "b" / "f").chmod(0o644)
        lines = answer()
        assert "Permission denied" in lines[1] and lines[2] == "1\n", lines
        (place / "b" / "f").chmod(0o755)
        assert answer() == ["#!/bin/echo b\n", "b l/f\n", "0\n"]
        (place / "l").unlink()
        (place / "a").rename(place / "l")
        assert answer() == ["#!/bin/echo a\n", "a l/f\n", "0\n"]
        machine.stdin.close()
        assert machine.wait(10) == 0


def test_links_of_the_hosts_procfs(tool):
    """They lead elsewhere while they are the same file: /proc/self to whoever asks."""
    script = ("import os; here = os.readlink('/mnt/self'); ends = os.pipe()\n"
              "if os.fork() == 0: os.write(ends[1], os.readlink('/mnt/self').encode()); os._exit(0)\n"
              "print(here.isdigit(), os.read(ends[0], 20).decode() != here); os.wait()")
    done = tool.run("python3", "-c", script, options=["--root", "/", "--ro", "-v", "/proc:/mnt"])
    assert (done.out, done.status) == ("True True\n", 0), done


def test_read_only_root(tool, place):
    line = "touch /usr/x; echo $?; touch /tmp/y && echo $?; touch /run/z && echo $?"
    result = tool.run("bash", "-c", line, options=["--root", "/", "--ro"])
    assert result.out == "1\n0\n0\n" and "Read-only" in result.err, result.explain()
    assert not os.path.exists("/usr/x") and not os.path.exists("/tmp/y")


def test_root_stays_as_it_was(tool, place):
    """What Martlet mounts needs no directory in the host's root, and makes none."""
    (place / "bin").mkdir()
    shutil.copy("/bin/busybox", place / "bin")
    (place / "outside").mkdir()
    (place / "outside" / "x").write_text("mapped\n")
    line = ("/bin/busybox test -e /proc/self/status -a -c /dev/null -a -d /dev/pts -a -d /sys/kernel || echo none; "
            "/bin/busybox cat /a/b/x /a/file")
    volumes = ["-v", f"{place}/outside:/a/b", "-v", f"{place}/outside/x:/a/file:ro"]
    for more in ([], ["--ro"]):
        result = tool.run("/bin/busybox", "sh", "-c", line, options=["--root", place, *volumes, *more])
        assert result.out == "mapped\nmapped\n", result.explain()
        assert sorted(os.listdir(place)) == ["bin", "outside"]
    line = "echo > /tmp/x && echo > /run/x && /bin/busybox mount | /bin/busybox grep -c '^tmpfs on /[tr]'"
    result = tool.run("/bin/busybox", "sh", "-c", line, options=["--root", place, "--ro"])
    assert result.out == "2\n", result.explain()


def test_few_host_descriptors(tool):
    line = "ulimit -n 40; " + " ".join(tool.command("run", "--root", "/", "--ro", "--", "find", "/usr/include", "-ls"))
    result = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0 and result.stdout.count("\n") > 500, result.stderr


def test_modes_on_hostfs(anybody, place):
    """chmod needs no right to read."""
    place.chmod(0o777)
    line = "echo x >f && chmod 0 f && chmod 200 f && chmod 640 f && mkfifo p && chmod 600 p && stat -c %a f p"
    words = ["--root", "/", "--ro", "-v", f"{place}:/tmp", "-w", "/tmp"]
    result = anybody.run("bash", "-c", line, options=words)
    assert result.out == "640\n600\n", result.explain()


def test_owners_on_hostfs(anybody, place):
    """What guest root makes is the running user's outside; inside, his files are root's."""
    place.chmod(0o777)
    (place / "mine").write_text("x")
    uid = 65534 if anybody.prefix else os.geteuid()
    if os.geteuid() == 0:
        os.chown(place / "mine", uid, uid)
    words = ["--root", "/", "--ro", "-v", f"{place}:/tmp", "-w", "/tmp"]
    result = anybody.run("bash", "-c", "stat -c %u:%g mine; touch made; stat -c %u made; id -u", options=words)
    assert result.out == "0:0\n0\n0\n", result.explain()
    assert (place / "made").stat().st_uid == uid


def test_files_change_under_the_guest(tool, place):
    """The host's writes are seen at once, and the guest's by the host."""
    words = ["--root", "/", "--ro", "-v", f"{place}:/tmp", "-w", "/tmp"]
    process = tool.start("bash", "-c", "echo one >f; echo; read x; cat f; read x; cat f; echo two >>f; echo end",
                         options=words, stdin=subprocess.PIPE)
    assert process.stdout.readline() == b"\n"
    assert (place / "f").read_text() == "one\n"
    (place / "f").write_text("changed\n")
    process.stdin.write(b"\n")
    process.stdin.flush()
    assert process.stdout.readline() == b"changed\n"
    (place / "g").write_text("replaced\n")
    os.replace(place / "g", place / "f")
    process.stdin.write(b"\n")
    process.stdin.flush()
    assert process.stdout.readline() == b"replaced\n"
    assert process.stdout.readline() == b"end\n"
    process.communicate(timeout=30)
    assert (place / "f").read_text() == "replaced\ntwo\n"


STRESSORS = ["cpu", "fork", "vfork", "pipe", "futex", "mmap", "vm", "signal", "switch", "pthread"]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("cpus", ["1", "2", "4"])
@pytest.mark.parametrize("stressor", STRESSORS)
def test_stress(tool, stressor, cpus, place, request):
    if not request.config.getoption("--long"):
        pytest.skip("only with --long")
    if not shutil.which("stress-ng"):
        pytest.skip("stress-ng is not installed")
    more = ["--vm-bytes", "64m"] if stressor == "vm" else []
    result = tool.run("stress-ng", "--verify", f"--{stressor}", "2", "-t", "30", *more,
                      options=options(cpus, place, request), timeout=120)
    assert result.status == 0 and "fail" not in result.err, result.explain()
