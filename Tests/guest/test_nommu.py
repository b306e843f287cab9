"""The default root of `--mmu none`: what its shell does without `fork`, and its programs."""

import re
import subprocess

import pytest

WITHOUT_FORK = [
    "seq 1 1000 | sort -rn | head -n 3",
    "for i in 1 2 3; do echo $i; done | while read x; do echo r$x; done",
    "f() { echo in f $1; return 7; }; f 1 | cat; x=$(f 2); echo $x; f 3; echo $?",
    "(exit 3); echo $?; x=$(exit 4); echo $?; sh -c 'kill -9 $$' | cat; (sleep 0.1; exit 5) & wait $!; echo $?",
    "for i in $(seq 1 300); do (exit 3) || x=$?; done; echo $x",
    "i=0; while [ $i -lt 200 ]; do /proc/self/exe true; i=$((i+1)); done; echo $i",
    "cat <<E | tr a b\nabc $((1+2)) $(echo y)\nE",
    "trap 'echo end' EXIT; trap 'echo usr1' USR1; kill -USR1 $$; echo after",
    "exec 3>o; echo three >&3; exec 3>&-; cat o",
    "echo a b c | xargs -n 1 echo x; find o -exec echo {} \\;",
    "mkdir d; echo 1 >d/f; tar czf - d | tar tzf -; tar czf d.tgz d; tar xOf d.tgz",
    "awk 'BEGIN { while ((\"echo a; echo b\" | getline x) > 0) print x; system(\"echo c\"); print \"d\" | \"cat\" }'",
    "timeout 0.2 sleep 100; echo $?; timeout 100 sh -c 'exit 4'; echo $?",
    "sleep 100 & kill -9 $!; wait $!; echo $?",
]


@pytest.mark.parametrize("line", WITHOUT_FORK)
def test_shell_without_fork(tool, place, nommu_busybox, line):
    """What a shell usually forks for, in the root for --mmu none: natively and here the same."""
    (place / "o").touch()
    native = subprocess.run([nommu_busybox, "sh", "-c", line], cwd=place, stdin=subprocess.DEVNULL, capture_output=True,
                            text=True, timeout=30)
    result = tool.run("sh", "-c", "touch o; " + line, options=["--mmu", "none", "-w", "/tmp"])
    assert (result.out, result.err, result.status) == (native.stdout, native.stderr, native.returncode), result.explain()


def test_programs(tool):
    line = "top -b -n 1 | head -n 5; ps; head -c 100000 /dev/zero | gzip | gunzip -c | wc -c"
    result = tool.run("sh", "-c", line, options=["--mmu", "none"])
    assert re.search(r"PID +PPID USER.*\n.* top -b -n 1\n", result.out), result.explain()
    assert re.search(r"\n +\d+ root +ps\n100000\n$", result.out) and result.status == 0, result.explain()
