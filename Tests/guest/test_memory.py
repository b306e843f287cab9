"""Machines with little memory."""

import programs


def in_default_root(tool, *words, options=()):
    programs.build("memory_resident")
    options = ["-v", f"{programs.BUILD}:/t:ro", "-w", "/tmp", *options]
    return tool.run(*words, options=options, timeout=60)


def test_out_of_memory(tool):
    """What takes more private memory than `--mem` is killed; a small neighbour lives on."""
    script = """
        sleep 100 & neighbour=$!
        /t/static/memory_resident @hog 300; echo status $?
        kill -0 $neighbour && echo neighbour lives
        dmesg | grep 'Out of memory'
        grep oom_kill /proc/vmstat"""
    result = in_default_root(tool, "sh", "-c", script, options=["--mem", "128m", "--loglevel", "0"])
    assert "status 137" in result.out, result.explain()
    assert "neighbour lives" in result.out, result.explain()
    assert "(memory_resident) total-vm:" in result.out and "oom_kill 1" in result.out, result.explain()


def test_out_of_memory_priority(tool):
    """oom_score_adj decides who goes."""
    script = """
        cd /t/static
        sh -c 'echo -1000 >/proc/self/oom_score_adj; exec ./memory_resident @hog 110' & spared=$!
        sh -c 'echo 500 >/proc/self/oom_score_adj; exec ./memory_resident @hog 60' & first=$!
        wait $first; echo first $?
        wait $spared; echo spared $?"""
    result = in_default_root(tool, "sh", "-c", script, options=["--mem", "128m", "--loglevel", "0"])
    assert "first 137" in result.out and "spared 3" in result.out, result.explain()


def test_enough_memory(tool):
    """Forks share what they do not change: nobody is killed for it."""
    script = """
        /t/static/memory_resident @share 60; echo status $?; grep oom_kill /proc/vmstat"""
    result = in_default_root(tool, "sh", "-c", script, options=["--mem", "128m", "--loglevel", "0"])
    assert "status 3" in result.out and "oom_kill 0" in result.out, result.explain()


def test_gone_processes_leave_nothing(tool):
    """What a process looked up below its directory in /proc goes with it: 4,000 once left 3.2 MB, of which 256 kB are pids'."""
    script = """
        kernel() { while read name value unit; do [ $name = Slab: ] && echo $value; done </proc/meminfo; }
        some() { i=0; while [ $i -lt 2000 ]; do (cd /proc/self/fd); i=$((i + 1)); done; }
        some; before=$(kernel); some; some; echo $(($(kernel) - before))"""
    result = in_default_root(tool, "sh", "-c", script)
    assert int(result.out) < 2000, result.explain()
