"""Runs wearables-archive and kills it with SIGKILL before its Nth step: a statement, or something done to a file, also in
the middle of a copy. usage: archive_killed.py N PROGRAM ARGUMENT..."""

import importlib.machinery
import importlib.util
import os
import shutil
import signal
import sys

import psycopg

steps_left = int(sys.argv[1])


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


psycopg.Cursor.execute = counted(psycopg.Cursor.execute)
shutil.copyfileobj = copy_by_halves
loader = importlib.machinery.SourceFileLoader("program", sys.argv[2])
program = importlib.util.module_from_spec(importlib.util.spec_from_loader("program", loader))
sys.dont_write_bytecode = True
loader.exec_module(program)
program.delete = counted(program.delete)
os.rename = counted(os.rename)
sys.argv = sys.argv[2:]
sys.exit(program.main())
