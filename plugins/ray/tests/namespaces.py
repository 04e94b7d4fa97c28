"""A cluster of Ray on one machine whose nodes are in network namespaces, so that their cables can be pulled out."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import sys
import time
from pathlib import Path

#: The nodes besides the head, each with two cores for actors.
NODES = 2
BRIDGE, NETWORK, PORT = "gnbridge", "10.231.7", 6391
RAY = str(Path(sys.executable).parent / "ray")


def unavailable():
    """Why there can be no namespaces here; None if there can."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return "network namespaces need root and the command ip"
    done = subprocess.run(["ip", "netns", "add", "gnprobe"], capture_output=True, text=True, check=False)
    if done.returncode:
        return done.stderr.strip()
    ip("netns", "del", "gnprobe")
    return None


def ip(*words, check=True):
    done = subprocess.run(["ip", *words], check=False, capture_output=True, text=True)
    if check and done.returncode:
        raise RuntimeError(f"ip {' '.join(words)}: {done.stderr}")


def start():
    """Start the head outside of the namespaces, and a node in each; returns the address."""
    stop()
    # Recent versions of Ray let nobody join a cluster without a secret; this one is the cluster's own.
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    ip("link", "add", BRIDGE, "type", "bridge")
    ip("addr", "add", f"{NETWORK}.1/24", "dev", BRIDGE)
    ip("link", "set", BRIDGE, "up")
    for node in range(NODES):
        ip("netns", "add", f"gn{node}")
        ip("link", "add", f"gnhost{node}", "type", "veth", "peer", "name", "eth0", "netns", f"gn{node}")
        ip("link", "set", f"gnhost{node}", "master", BRIDGE, "up")
        ip("-n", f"gn{node}", "addr", "add", f"{NETWORK}.{node + 2}/24", "dev", "eth0")
        ip("-n", f"gn{node}", "link", "set", "eth0", "up")
        ip("-n", f"gn{node}", "link", "set", "lo", "up")
    address = f"{NETWORK}.1:{PORT}"
    ray("start", "--head", f"--node-ip-address={NETWORK}.1", f"--port={PORT}", "--num-cpus=0",
        "--include-dashboard=false", "--object-store-memory=200000000", "--disable-usage-stats")  # fmt: skip
    for node in range(NODES):
        join(node)
    return address


def join(node):
    """Start the node in a namespace."""
    ray("start", f"--address={NETWORK}.1:{PORT}", f"--node-ip-address={NETWORK}.{node + 2}", "--num-cpus=2",
        "--object-store-memory=200000000", "--disable-usage-stats", namespace=f"gn{node}")  # fmt: skip


def ray(*words, namespace=None):
    prefix = [] if namespace is None else ["ip", "netns", "exec", namespace]
    done = subprocess.run([*prefix, RAY, *words], capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        raise RuntimeError(f"ray {' '.join(words)}: {done.stdout}{done.stderr}")


def cut(node, seconds):
    """Pull out the cable of a node for some seconds; a node that the cluster has given up meanwhile starts again."""
    ip("link", "set", f"gnhost{node}", "down")
    time.sleep(seconds)
    ip("link", "set", f"gnhost{node}", "up")
    time.sleep(5)
    if not any(b"raylet/raylet" in _command(Path("/proc") / pid) for pid in inside(node)):
        join(node)


def inside(node):
    """The processes in a namespace."""
    done = subprocess.run(["ip", "netns", "pids", f"gn{node}"], capture_output=True, text=True, check=False)
    return done.stdout.split()


def stop():
    """End the cluster and its namespaces: every process that was started for them."""
    mark = f"{NETWORK}.".encode()
    ours = [
        folder for folder in Path("/proc").glob("[0-9]*") if mark in _command(folder) and b"ray" in _command(folder)
    ]
    for folder in ours:
        _kill(folder)
    for node in range(NODES):
        for pid in inside(node):
            _kill(Path("/proc") / pid)
        ip("link", "del", f"gnhost{node}", check=False)  # a namespace keeps its end until all its processes are gone
        ip("netns", "del", f"gn{node}", check=False)
    ip("link", "del", BRIDGE, check=False)
    end = time.monotonic() + 20
    while any(folder.exists() for folder in ours) and time.monotonic() < end:
        time.sleep(0.1)


def _command(folder):
    try:
        return (folder / "cmdline").read_bytes() if int(folder.name) != os.getpid() else b""
    except OSError:
        return b""


def _kill(folder):
    with contextlib.suppress(ProcessLookupError):
        os.kill(int(folder.name), 9)
