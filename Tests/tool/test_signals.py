"""Signals to the tool, and ends that nobody asked for."""

import os
import signal
import subprocess
import time

import pytest

SIGNAL, TERMINATE, STOP, CONTINUE = 2, 3, 4, 5


def line(process):
    return process.stdout.readline().decode().strip()


@pytest.fixture
def start(machine):
    started = []

    def start(command, **options):
        process = machine.start(command, **options)
        started.append(process)
        assert line(process) == "ready"
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def children(process):
    with open(f"/proc/{process.pid}/task/{process.pid}/children") as file:
        return [int(number) for number in file.read().split()]


def state(process_id):
    with open(f"/proc/{process_id}/stat") as file:
        return file.read().rpartition(")")[2].split()[0]


def wait_for(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_sigterm_ends_the_machine_in_order(start):
    process = start("serve")
    process.terminate()
    assert line(process) == f"message {TERMINATE} 0 0"
    assert process.wait(10) == 143


def test_a_second_sigterm_ends_it_at_once(start):
    process = start("stubborn")
    process.terminate()
    assert line(process) == f"message {TERMINATE} 0 0"
    process.terminate()
    assert process.wait(10) == 143
    assert process.stderr.read() == b""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT, signal.SIGHUP])
def test_others_are_passed_on(start, number):
    process = start("serve")
    process.send_signal(number)
    assert line(process) == f"message {SIGNAL} {number.value} 0"
    assert process.wait(10) == 128 + number


def test_what_was_ignored_stays_ignored(start):
    process = start("serve", preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    process.send_signal(signal.SIGHUP)
    process.terminate()
    assert line(process) == f"message {TERMINATE} 0 0"


def test_sigchld_ignored_by_the_parent_does_no_harm(start):
    process = start("serve", preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
    process.terminate()
    assert process.wait(10) == 143


def test_the_kernel_dies_with_the_tool(start):
    process = start("stubborn")
    kernel, = children(process)
    process.kill()
    process.wait()
    wait_for(lambda: not os.path.exists(f"/proc/{kernel}") or state(kernel) == "Z")


def test_the_kernel_killed_from_outside(start):
    process = start("stubborn")
    kernel, = children(process)
    os.kill(kernel, signal.SIGKILL)
    assert process.wait(10) == 125
    assert b"killed by signal 9" in process.stderr.read()


@pytest.mark.parametrize("number", [signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU])
def test_stop_and_continue(start, number):
    process = start("serve")
    process.send_signal(number)
    assert line(process) == f"message {STOP} 0 0"
    wait_for(lambda: state(process.pid) == "T")
    process.send_signal(signal.SIGCONT)
    assert line(process) == f"message {CONTINUE} 0 0"
    assert state(process.pid) != "T"
    process.send_signal(number)
    assert line(process) == f"message {STOP} 0 0"
    wait_for(lambda: state(process.pid) == "T")
    process.send_signal(signal.SIGCONT)
    assert line(process) == f"message {CONTINUE} 0 0"


def test_a_kernel_that_does_not_answer_is_stopped_with_anyway(start):
    process = start("stubborn")
    process.send_signal(signal.SIGTSTP)
    assert line(process) == f"message {STOP} 0 0"
    wait_for(lambda: state(process.pid) == "T")
    process.send_signal(signal.SIGCONT)
    assert line(process) == f"message {CONTINUE} 0 0"


def test_the_end_of_a_stopped_kernel_is_noticed(start):
    process = start("stubborn")
    kernel, = children(process)
    process.send_signal(signal.SIGTSTP)
    os.kill(kernel, signal.SIGKILL)
    wait_for(lambda: process.poll() is not None or state(process.pid) == "T")
    process.send_signal(signal.SIGCONT)
    assert process.wait(10) == 125
