"""What reaches the kernel: the boot block, the descriptors, the state of its process."""

import json
import os
import subprocess

import pytest

MMU_NONE, READ_ONLY, NO_ASLR, KUNIT, CONSOLE, STRACE, LOGIN_SHELL = (1 << bit for bit in range(7))
MOUNT_READ_ONLY, MOUNT_TMPFS = 1, 2
SEALS = 15


def test_defaults(machine):
    boot = machine.boot()
    assert boot["magicIsRight"] and boot["flags"] == 0 and boot["rootKind"] == 0
    assert boot["memory"] == boot["cpus"] == boot["uid"] == boot["gid"] == 0 and boot["hook"] == 1
    assert boot["arguments"] == ["dump"] and boot["hostname"] == "martlet" and boot["directory"] == ""
    assert boot["hostUid"] == os.geteuid() and boot["hostGid"] == os.getegid()
    assert boot["logDescriptor"] == boot["straceDescriptor"] == -1
    assert boot["tickMicroseconds"] == boot["kickMicroseconds"] == 0
    assert boot["rootSource"] == str(machine.share / "root.tar")


def test_descriptors(machine):
    boot = machine.boot("-v", "/:/host")
    table = boot["descriptors"]
    used = {boot["rootDescriptor"], boot["controlDescriptor"], boot["symbolsDescriptor"],
            boot["mounts"][0]["descriptor"]}
    assert set(map(int, table)) == {0, 1, 2, 3} | used and len(used) == 4
    assert "memfd:martlet-boot" in table["3"]["target"] and table["3"]["seals"] == SEALS
    assert table[str(boot["rootDescriptor"])]["target"] == str(machine.share / "root.tar")
    assert table[str(boot["symbolsDescriptor"])]["target"].endswith("kernel.symbols")
    assert table[str(boot["controlDescriptor"])]["target"].startswith("socket:")


def test_nobody_elses_descriptors_are_inherited(machine):
    read, write = os.pipe()
    try:
        high = os.dup2(read, 150, inheritable=True)
        os.set_inheritable(read, True)
        table = machine.boot(close_fds=False)["descriptors"]
        assert not any("pipe:" in entry["target"] for number, entry in table.items() if int(number) > 2)
        os.close(high)
    finally:
        os.close(read)
        os.close(write)


def test_the_process_is_in_its_first_state(machine):
    boot = machine.boot()
    assert (boot["deathSignal"], boot["blocked"], boot["handled"]) == (9, 0, 0)


@pytest.mark.parametrize("closed", [0, 1, 2, (0, 1, 2)])
def test_what_is_closed_stays_closed(machine, tmp_path, closed):
    closed = closed if isinstance(closed, tuple) else (closed,)
    log = tmp_path / "log"
    redirections = " ".join(f"{number}{'<' if number == 0 else '>'}&-" for number in closed)
    subprocess.run(["sh", "-c", f'"$0" run --log "$1" dump {redirections}', machine.tool, log], check=True,
                   stdout=subprocess.PIPE)
    numbers = set(map(int, json.loads(log.read_text())["descriptors"]))
    assert numbers & {0, 1, 2} == {0, 1, 2} - set(closed)


def test_standard_descriptors_keep_their_flags(machine, tmp_path):
    data = tmp_path / "data"
    data.write_text("0123456789")
    with data.open() as file:
        os.lseek(file.fileno(), 3, os.SEEK_SET)
        result = machine.run("run", "cat", stdin=file)
        assert result.stdout == b"3456789"
    read, write = os.pipe()
    table = machine.boot(stdin=read)["descriptors"]
    assert table["0"]["flags"] & os.O_NONBLOCK == 0 and table["1"]["flags"] & os.O_NONBLOCK == 0
    os.close(read)
    os.close(write)


def test_streams_are_byte_clean(machine):
    data = bytes(range(256)) * 40000
    result = subprocess.run([machine.tool, "run", "cat"], input=data, capture_output=True, timeout=60)
    assert result.stdout == data


def test_every_option_arrives(machine, tmp_path):
    log, trace = tmp_path / "log", tmp_path / "trace"
    boot = machine.run("run", "--mmu", "none", "--cpus", "3", "--mem", "64m", "--hook", "trap", "-w", "/x",
                       "-u", "5:6", "--hostname", "h", f"--strace={trace}", "--no-aslr", "--ro", "--loglevel", "7",
                       "--tick", "off", "--kick", "50", "--log", log, "--", "dump", "--", "-x", "")
    assert boot.returncode == 0, boot.stderr
    boot = json.loads(log.read_text())
    assert boot["flags"] == MMU_NONE | READ_ONLY | NO_ASLR | STRACE
    assert boot["rootSource"] == str(machine.share / "root-nommu.tar")
    assert (boot["cpus"], boot["memory"], boot["uid"], boot["gid"]) == (3, 64 << 20, 5, 6)
    assert (boot["hostname"], boot["directory"], boot["logLevel"]) == ("h", "/x", 7)
    assert (boot["tickMicroseconds"], boot["kickMicroseconds"]) == (0xffffffff, 50)
    assert boot["arguments"] == ["dump", "--", "-x", ""]
    assert boot["descriptors"][str(boot["straceDescriptor"])]["target"] == str(trace)


def test_strace_goes_to_stderr(machine):
    boot = machine.boot("--strace")
    assert boot["flags"] == STRACE and boot["straceDescriptor"] == 2


def test_no_command_is_the_login_shell(machine):
    boot = json.loads(machine.run("run").stdout)
    assert boot["flags"] == LOGIN_SHELL and boot["arguments"] == []


def test_environment(machine):
    environment = {"PATH": os.environ["PATH"], "TERM": "vt100", "SECRET": "s", "KEPT": "k"}
    boot = machine.boot("-e", "A=1", "-e", "KEPT", "-eHOME=/h", env=environment)
    values = dict(entry.split("=", 1) for entry in boot["environment"])
    assert values == {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/h",
                      "USER": "root", "TERM": "vt100", "HOSTNAME": "martlet", "A": "1", "KEPT": "k"}


def test_volumes(machine, tmp_path):
    (tmp_path / "file").write_text("x")
    boot = machine.boot("-v", f"{tmp_path}:/a/b:ro", "-v", f"{tmp_path}/file:/a/file", "--ro")
    mounts = {mount["path"]: mount for mount in boot["mounts"]}
    assert list(mounts) == ["/tmp", "/run", "/a/b", "/a/file"]
    assert mounts["/tmp"] == {"descriptor": -1, "flags": MOUNT_TMPFS, "path": "/tmp", "source": "tmpfs"}
    assert mounts["/a/b"]["flags"] == MOUNT_READ_ONLY and mounts["/a/file"]["flags"] == 0
    assert mounts["/a/b"]["source"] == str(tmp_path)
    entry = boot["descriptors"][str(mounts["/a/file"]["descriptor"])]
    assert entry["target"] == str(tmp_path / "file") and entry["flags"] & os.O_PATH


def test_directories_as_roots(machine, tmp_path):
    for name in ("bin", "etc", "tmp"):
        (tmp_path / name).mkdir()
    boot = machine.boot("--root", tmp_path, "--ro", "-v", "/:/mnt")
    assert boot["rootKind"] == 1 and boot["rootSource"] == str(tmp_path)
    assert boot["descriptors"][str(boot["rootDescriptor"])]["flags"] & os.O_PATH
    assert [mount["path"] for mount in boot["mounts"]] == ["/mnt", "/tmp", "/run"]


def test_kunit(machine):
    boot = json.loads(machine.run("kunit", "--mmu", "none", "vfs").stdout)
    assert boot["flags"] == KUNIT | MMU_NONE and boot["filter"] == "vfs" and boot["rootDescriptor"] == -1


def test_another_kernel(machine, tmp_path):
    result = machine.run("run", "true", env={"MARTLET_KERNEL": "/bin/false"})
    assert result.returncode == 1
    assert "kernel.checked" in machine.fails("run", "true", env={"MARTLET_KERNEL": "checked"})


def test_bytes_that_are_no_text_arrive(machine, tmp_path):
    folder = os.fsencode(tmp_path) + b"/\xff\xe9"
    os.mkdir(folder)
    words = [b"dump", b"\xff", b"a\xe9b", "gr\u00fcn".encode(), b"\xf4\x8f\xbd\x81"]
    output = subprocess.run([machine.tool, "run", "-v", folder + b":/x\xfe", "-e", b"A=\xfd=\xcc\x81", *words],
                            capture_output=True, check=True).stdout
    boot = json.loads(output.decode("utf-8", "surrogateescape"))
    assert [os.fsencode(word) for word in boot["arguments"]] == words
    assert os.fsencode(boot["environment"][-1]) == b"A=\xfd=\xcc\x81"
    assert os.fsencode(boot["mounts"][0]["path"]) == b"/x\xfe"
    assert os.fsencode(boot["mounts"][0]["source"]) == folder
