"""Loads all plugins of the zoo in one process, and prints what the host says and whether the process is as before."""

import decimal
import gc
import json
import locale
import logging
import os
import random
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np


def fingerprint():
    """The state of the process, read without the host's own functions."""
    import threadpoolctl

    return {
        "environment": dict(os.environ),
        "environment of children": sorted(
            subprocess.run(["/usr/bin/env", "-0"], capture_output=True, text=True, check=True).stdout.split("\0")
        ),
        "zone": time.tzname,
        "type of the environment": type(os.environ).__name__,
        "folder": os.getcwd(),
        "signals": [str(signal.getsignal(n)) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)],
        "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
        "alarm": signal.getitimer(signal.ITIMER_REAL),
        "processors": sorted(os.sched_getaffinity(0)),
        "locale": locale.setlocale(locale.LC_ALL),
        "random": str(random.getstate()),
        "random numbers": type(random._inst).__name__,
        "ignored signals": [line for line in Path("/proc/self/status").read_text().splitlines() if "SigIgn" in line],
        "recursion": sys.getrecursionlimit(),
        "path": [p for p in sys.path if p != "/nowhere"],
        "added paths last": all(p != "/nowhere" for p in sys.path[:-2]),
        "finders": [str(f) for f in sys.meta_path if type(f).__module__ != "zoo_finder"],
        "gc": [gc.isenabled(), gc.get_threshold(), gc.get_debug()],
        "decimal": [decimal.getcontext().prec, decimal.DefaultContext.rounding],
        "traces": [str(f()) for f in (sys.gettrace, sys.getprofile, threading.gettrace)],
        "hooks": [str(h) for h in (sys.excepthook, threading.excepthook, sys.unraisablehook)],
        "interpreter": [
            sys.argv,
            sys.get_int_max_str_digits(),
            sys.getswitchinterval(),
            hasattr(sys, "tracebacklimit"),
        ],
        "root logger": [logging.root.level, str(logging.root.handlers), logging.root.manager.disable],
        "graphnet's logger": [logging.getLogger("graphnet").level, logging.getLogger("graphnet").propagate],
        "loggers": [logging.getLoggerClass().__name__, str(logging.lastResort), logging.getLogger("graphnet").disabled],
        "filters": [str(f) for f in warnings.filters],
        "warnings": [str(warnings.showwarning), str(warnings.formatwarning)],
        "numpy random": [type(np.random.get_bit_generator()).__name__, int(np.random.get_state()[1].sum())],  # noqa: NPY002
        "numpy": [np.geterr(), str(np.geterrcall()), np.getbufsize(), str(np.get_printoptions())],
        "blas": [library["num_threads"] for library in threadpoolctl.threadpool_info()],
        "code": [str(f) for f in (np.tanh, np.matmul, json.dumps, open, print, np.linalg)],
        "numbers": [np.pi, float(np.tanh(0.5))],
        "streams": [str(s) for s in (sys.stdin, sys.stdout, sys.stderr, sys.__stdout__)],
        "descriptors": [os.fstat(n)[:3] for n in range(3)],
        "umask": [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("Umask")],
    }


def main():
    import graphnet
    from graphnet.plugins import PluginManager, using

    graphnet.seed(5)
    numbers = graphnet.generator().bit_generator.state
    import socket  # noqa: F401

    before = fingerprint()
    host = PluginManager()
    host.load(json.loads(sys.argv[1]) or None)
    after = fingerprint()
    after["interpreter"][0] = before["interpreter"][0] if after["interpreter"][0] == sys.argv else "changed"
    with using(host):
        from graphnet_recurrent import RNN

        same = numbers == graphnet.generator().bit_generator.state
        layer = RNN(2, 3, None)
        result = float(np.sum(layer.forward(np.linspace(-1, 1, 12).reshape(3, 2, 2))))
    found = {
        "changed": {key: [str(before[key]), str(after[key])] for key in before if before[key] != after[key]},
        "same generator": same,
        "result": result,
        "plugins": {
            p.name: {"status": p.status, "reason": p.reason, "notes": p.notes, "entries": [e.id for e in p.entries]}
            for p in host.plugins
        },
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
