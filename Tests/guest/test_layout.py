"""Where programs lie: a run of one may lie where the run before lay, but not for ever, and not after a death by signal."""

STACK = "while read line; do case $line in *stack*) echo $line;; esac; done </proc/$$/maps"


def stacks(tool, ending, runs, *options):
    line = f"i=0; while [ $i -lt {runs} ]; do sh -c '{STACK}; {ending}' 2>/dev/null; i=$((i+1)); done"
    result = tool.run("sh", "-c", line, options=["--cpus", "1", *options])
    assert result.status in (0, 139), result.explain()
    found = [row.split()[0] for row in result.out.splitlines() if "[stack]" in row]
    assert len(found) == runs, result.explain()
    return found


def test_runs_share_a_layout_for_a_while(tool):
    found = stacks(tool, ":", 80)
    assert 2 < len(set(found)) < 40, found
    assert max(found.count(one) for one in found) <= 32, found


def test_none_is_shared_after_a_death_by_signal(tool):
    found = stacks(tool, "kill -SEGV $$", 20)
    assert len(set(found)) == 20, found


def test_none_is_random_where_nothing_is(tool):
    assert len(set(stacks(tool, ":", 10, "--no-aslr"))) == 1
