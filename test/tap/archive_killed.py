"""Runs wearables-archive again and again, killed with SIGKILL before its first step, its second, and so on, until it ends by
itself. A step is a statement, or something done to a file, also in the middle of a copy. Each run is a fork of this process,
which has loaded what takes long to load. After each kill it prints "killed" and waits for a line; at the end "ended STATUS".
usage: archive_killed.py PROGRAM ARGUMENT..."""

import importlib.machinery
import importlib.util
import itertools
import os
import shutil
import signal
import sys

import psycopg

steps_left = 0


def step():
    global steps_left
    steps_left -= 1
    if steps_left == 0:
        os.kill(os.getpid(), signal.SIGKILL)


def counted(function):
    def call(*arguments, **named):
        step()
        return function(*arguments, **named)

    return call


def copy_by_halves(source, target, length=0):
    data = source.read()
    step()
    target.write(data[: len(data) // 2])
    step()
    target.write(data[len(data) // 2 :])


def in_fork(program, steps):
    """The status of a run that is killed before so many steps, or ends."""
    global steps_left
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.dup2(2, 1)  # its report is not ours
        steps_left, status = steps, 1
        try:
            status = program.main()
        except Exception as error:  # whatever ends the program
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        finally:
            sys.stdout.flush()
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


psycopg.Cursor.execute = counted(psycopg.Cursor.execute)
shutil.copyfileobj = copy_by_halves
sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("program", sys.argv[1])
program = importlib.util.module_from_spec(importlib.util.spec_from_loader("program", loader))
loader.exec_module(program)
program.delete = counted(program.delete)
os.rename = counted(os.rename)
sys.argv = sys.argv[1:]
for steps in itertools.count(1):
    status = in_fork(program, steps)
    if status != -signal.SIGKILL:
        print(f"ended {status}", flush=True)
        break
    print("killed", flush=True)
    sys.stdin.readline()
