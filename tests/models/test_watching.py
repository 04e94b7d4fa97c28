"""graphnet watch: who may read the page, what it sends, and that it follows a run from before its start to its end."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing

import numpy as np
import pytest
from click.testing import CliRunner

import graphnet
from graphnet import Builder, ConfigError, FileError, FullyConnected, Trainer, TrainingConfig, dense
from graphnet.cli import main
from graphnet.io.run_folder import RunFolder
from graphnet.models.pages.facts import thinned
from graphnet.models.runs import open_run
from graphnet.models.watching import Measurements, Parts, WatchedRun, kept_address, measured, run, serve, server
from graphnet.models.watching.address import proof
from graphnet.training.callbacks import Callback

pytest.importorskip("graphlay")

RNG = np.random.default_rng(5)
X, Y = RNG.normal(size=(12, 3)), RNG.integers(0, 2, 12)


class Killed(BaseException):
    """Ends training without any end of its own, as a signal does."""


class After(Callback):
    def __init__(self, action):
        self.action = action

    def on_epoch_end(self, trainer, record):
        self.action(record.epoch)


def train(folder, epochs, *callbacks):
    g = Builder("net")
    hidden = dense(g.input("x", "batch, feature=3"), 4)
    trainer = Trainer(
        g.build(FullyConnected(4, 2)(hidden)),
        TrainingConfig(epochs=epochs, batch_size=6, checkpoint_epochs=1, seed=3, clip_norm=2.5),
        callbacks=[RunFolder(folder, background=False), *callbacks],
    )
    return trainer.fit(X, Y, verbose=0)


@pytest.fixture
def eager(monkeypatch):
    """Looks at the lock and at the weights each time."""
    monkeypatch.setattr(run, "LOCK_SECONDS", 0.0)
    monkeypatch.setattr(run, "SHARE", 1e9)
    monkeypatch.setattr(measured, "SHARE", 1e9)


def request(server, path="/", method="GET", **headers):
    host = headers.pop("Host", f"127.0.0.1:{server.server_port}")
    with closing(http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)) as connection:
        connection.putrequest(method, path, skip_host=True)
        for name, value in {"Host": host, **headers}.items():
            if value is not None:
                connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()


class Stream:
    """The events of a server."""

    def __init__(self, server, token=None):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
        headers = {"Authorization": f"Bearer {token or server.token}"}
        self.connection.request("GET", "/events", headers=headers)
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200
        assert self.answer.headers["Content-Type"].startswith("text/event-stream")

    def next(self):
        lines = [self.answer.readline().decode() for _ in range(3)]
        assert lines[0].startswith("event: ") and lines[1].startswith("data: ") and lines[2] == "\n"
        return lines[0][7:-1], json.loads(lines[1][6:])

    def close(self):
        self.connection.close()


def test_only_this_page_of_this_host_with_the_token_is_answered():
    with serve(lambda: {"title": "secret data"}) as server:
        server.update()
        port, bearer = server.server_port, f"Bearer {server.token}"
        status, headers, page = request(server)
        assert status == 200 and "secret" not in page and server.token not in page
        assert headers["Cache-Control"] == "no-store" and headers["X-Content-Type-Options"] == "nosniff"
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; ") and "connect-src 'self'" in policy and "unsafe" not in policy
        assert "Python" not in headers["Server"]
        assert request(server, Host=f"localhost:{port}")[0] == 200
        for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", f"127.0.0.1:{port + 1}", "", None):
            for path in ("/", "/events"):
                status, _, text = request(server, path, Host=host, Authorization=bearer)
                assert status == 403 and "secret" not in text
        assert request(server, "/events", Authorization=bearer, Origin="http://evil.example")[0] == 403
        for given in (None, "", "Bearer", "Bearer ", f"Bearer {server.token[:-1]}", f"Basic {server.token}", "é"):
            header = given if given is None else given.encode("latin-1")
            status, _, text = request(server, "/events", Authorization=header)
            assert status == 401 and "secret" not in text
        assert request(server, f"/events?token={server.token}", Authorization=bearer)[0] == 404
        paths = (
            "/../etc/passwd",
            "/%2e%2e/%2e%2e/etc/passwd",
            "/model.yaml",
            "/events/",
            "/index.html",
            "/<b>",
            "*",
        )
        for path in (*paths, f"http://127.0.0.1:{port}/"):
            status, _, text = request(server, path, Authorization=bearer)
            assert status == 404 and text == "graphnet watch: no such page\n"
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "BREW"):
            assert request(server, "/events", method, Authorization=bearer)[0] == 405
        assert request(server, "/", "HEAD")[0] == 405
        with pytest.raises(ConfigError, match=f"the port cannot be used.*{port}"), serve(dict, port):
            pass
    with pytest.raises(OSError):
        request(server)


def test_a_stream_begins_with_all_data_and_goes_on_with_what_has_changed():
    data = {"a": 1, "b": {"c": [2]}}
    with serve(lambda: dict(data)) as server:
        assert server.update() and not server.update()
        with closing(Stream(server)) as first:
            assert first.next() == ("all", data)
            data["a"] = "\u2028</script>\n\ndata: x"
            del data["b"]
            assert server.update()
            assert first.next() == ("data", {"a": data["a"], "b": None})
            with closing(Stream(server)) as second:
                assert second.next() == ("all", data)
        server.streams = type(server.streams)(1)
        with closing(Stream(server)) as only:
            only.next()
            assert request(server, "/events", Authorization=f"Bearer {server.token}")[0] == 503


def test_a_page_proves_that_it_knows_the_token_and_does_not_send_it():
    with serve(lambda: {"a": 1}, token="t") as first, serve(lambda: {"a": 2}, token="t") as second:
        nonce = request(first, "/nonce")[2]
        assert (
            len(nonce) == 32 != request(second, "/nonce")[2] and request(first, "/nonce", Host="evil.example")[0] == 403
        )
        shown = f"Proof {proof('t', nonce, f'127.0.0.1:{first.server_port}')}"
        assert proof("t", nonce, "h") != proof("u", nonce, "h") != proof("u", nonce, "g")
        assert request(second, "/events", Authorization=shown)[0] == 401  # of no use for another server
        assert request(first, "/events", Authorization=shown, Host=f"localhost:{first.server_port}")[0] == 401
        first.feed.close()
        assert request(first, "/events", Authorization=shown)[0] == 200


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_a_run_has_the_same_address_each_time_if_the_secret_is_private(tmp_path, monkeypatch):
    monkeypatch.setenv("GRAPHNET_CACHE", str(tmp_path / "cache"))
    token, port = kept_address(tmp_path / "run")
    (tmp_path / "link").symlink_to("run")
    assert kept_address(tmp_path / "run") == (token, port) == kept_address(tmp_path / "link")
    other = kept_address(tmp_path / "other")
    assert len(token) == 43 and port >= 49152 and other[0] != token
    secret = tmp_path / "cache" / "watch-secret"
    assert secret.stat().st_mode & 0o777 == 0o600 and os.listdir(secret.parent) == ["watch-secret"]
    secret.chmod(0o640)
    assert kept_address(tmp_path / "run")[0] != token != kept_address(tmp_path / "run")[0]
    monkeypatch.setenv("GRAPHNET_CACHE", str(secret))
    assert len(kept_address(tmp_path / "run")[0]) == 43
    with serve(dict) as taken, serve(dict, taken.server_port, other=True) as free:
        assert free.server_port != taken.server_port


def test_clients_that_send_nothing_or_slowly_keep_nobody_out(monkeypatch):
    monkeypatch.setattr(server, "STRANGERS", 3)
    with serve(lambda: {"a": 1}) as running:
        running.update()
        with closing(Stream(running)) as stream:
            stream.next()
            silent = [socket.create_connection(("127.0.0.1", running.server_port), 30) for _ in range(6)]
            for each in silent:
                each.sendall(b"GET / HTTP/1.1\r\nHost: x")
            assert request(running)[0] == 200
            assert [each.recv(1) for each in silent[:3]] == [b""] * 3  # the oldest ones were ended
            monkeypatch.setattr(server, "PATIENCE", 0.0)
            assert [each.recv(1) for each in silent[3:]] == [b""] * 3
            for each in silent:
                each.close()
            monkeypatch.setattr(running, "read", lambda: {"a": 2})
            running.update()
            assert stream.next() == ("data", {"a": 2})  # a page that has shown the token stays


@pytest.mark.skipif(os.name == "nt", reason="symbolic links and pipes")
def test_links_out_of_the_folder_and_pipes_are_not_read(tmp_path, eager):
    folder = tmp_path / "run"
    train(folder, 2)
    watched = WatchedRun(folder)
    before = watched.read()
    (tmp_path / "secret.json").write_text('{"test": {"password": 4321.0}}')
    (tmp_path / "elsewhere").symlink_to(folder)
    assert WatchedRun(tmp_path / "elsewhere").read()["live"] == before["live"]
    (newest, *_) = (folder / "checkpoints").iterdir()
    for path, made, words in (
        (
            folder / "summary.json",
            lambda p: p.symlink_to(tmp_path / "secret.json"),
            "summary.json is a link that leads",
        ),
        (folder / "versions.json", os.mkfifo, "versions.json is not a file"),
        (newest, lambda p: p.symlink_to(tmp_path), f"checkpoints, {newest.name} is a link that leads"),
        (newest / "manifest.json", os.mkfifo, "checkpoints, manifest.json is not a file"),
    ):
        path.rename(tmp_path / "kept")
        made(path)
        found = watched.read()
        assert found["live"]["state"] == "unreadable" and found["live"]["words"].startswith(f"Not read: {words}")
        assert "4321" not in json.dumps(found) and found["graphs"] == before["graphs"]
        path.unlink()
        (tmp_path / "kept").rename(path)
    (folder / "model.yaml").rename(folder / "kept.yaml")
    (folder / "model.yaml").symlink_to("kept.yaml")
    assert watched.read()["live"] == before["live"]


def test_what_costs_time_is_computed_by_a_thread_from_the_newest_checkpoint(tmp_path, eager):
    folder = tmp_path / "run"
    measurements = Measurements(folder, Parts(example=X, confusion=True, batch=2, steps=2))
    watched = WatchedRun(folder, measurements)
    found, priorities = {}, set()

    def until(*keys):
        end = time.monotonic() + 60
        while not all(key in found for key in keys) or "pending" in found:
            assert time.monotonic() < end, found.keys()
            found.clear()
            found.update(watched.read())
            time.sleep(0.02)

    def look(epoch):
        watched.read()
        if epoch == 1:
            until("costs", "compiler", "recorded", "missing")
            if sys.platform == "linux":
                priorities.update(os.getpriority(os.PRIO_PROCESS, t.native_id) for t in threading.enumerate())
                assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) < 19

    train(folder, 3, After(look))
    first = dict(found)
    assert sys.platform != "linux" or 19 in priorities
    assert len(first["costs"]["nodes"]) == 2
    assert "batch 2" in first["costs"]["setting"] and first["compiler"]["parts"]
    assert first["missing"][0][0] == "confusion matrix" and str(tmp_path) not in json.dumps(first)
    expected = np.abs(graphnet.load(folder).predict(X[:1])).max()

    def largest(data):
        last = list(data["recorded"].values())[-1]
        return max(abs(last["low"]), abs(last["high"]))

    end = time.monotonic() + 60
    while largest(now := watched.read()) != pytest.approx(expected, rel=1e-3) or "pending" in now:
        assert time.monotonic() < end
        time.sleep(0.02)
    assert now["costs"] is first["costs"] and now["compiler"] is first["compiler"]  # once for each graph
    assert largest(now) != largest(first)
    measurements.close()
    assert not [t for t in threading.enumerate() if "measurements" in t.name]


def test_long_curves_keep_their_peaks_and_gaps():
    values = [1.0] * 50_000
    values[12_345], values[30_001], values[40_000] = 9.0, -7.0, None
    points = thinned(values)
    assert len(points) == 1000 and max(p for p in points if p is not None) == 9.0 and points.count(None) == 1
    assert min(p for p in points if p is not None) == -7.0 and points.index(9.0) == pytest.approx(246, abs=2)
    assert thinned([None] * 3000) == [None] * 1000 and thinned(values[:1000]) == values[:1000]


def test_a_run_is_followed_from_before_its_start_over_its_end_and_further(tmp_path, eager):
    folder = tmp_path / "new" / "run"
    watched = WatchedRun(folder)
    seen = []
    with serve(watched.read) as server:
        server.update()
        with closing(Stream(server)) as stream:
            assert stream.next()[1]["live"]["state"] == "waiting"

            def look(epoch):
                server.update()
                seen.append(stream.next()[1])
                if epoch == 3:
                    shutil.copytree(folder, tmp_path / "killed")
                    raise Killed

            with pytest.raises(Killed):
                train(folder, 5, After(look))
            shutil.rmtree(folder)
            (tmp_path / "killed").rename(folder)
            assert [len(data["history"]["curves"]["loss"]["training"]) for data in seen] == [1, 2, 3]
            lines = [json.loads(line)["loss"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
            assert seen[-1]["history"]["curves"]["loss"]["training"] == pytest.approx(lines, rel=1e-5)
            assert seen[0]["live"]["state"] == "running" and "graphs" in seen[0] and "graphs" not in seen[1]
            weights = seen[0]["nodes"]["fully_connected"]["weights"]
            training = {name: (text, own) for name, text, own in seen[0]["training"]}
            assert training["clip_norm"] == ("2.5", True) and training["batch_size"] == ("6", True)
            assert training["dtype"] == ("float32", False)
            with (folder / "metrics.jsonl").open("a") as file:  # half a line counts when its end is there
                file.write('{"epoch": 4, "loss": 0.125')
                file.flush()
                server.update()
                file.write("}\n")
            server.update()
            found = {}
            while len(found.get("history", {"curves": {"loss": {"training": ()}}})["curves"]["loss"]["training"]) != 4:
                found = stream.next()[1]
            assert found["history"]["curves"]["loss"]["training"][-1] == 0.125
    assert watched.read()["live"]["state"] == "crashed" and "--resume" in watched.read()["live"]["words"]
    Trainer.resume(open_run(folder)).fit(X, Y, verbose=0)
    ended = watched.read()
    assert ended["nodes"]["fully_connected"]["weights"] != weights
    assert ended["live"]["state"] == "finished" and ended["live"]["words"].startswith("Finished: 5 of 5 epochs")
    assert ended["history"]["epochs"] == 5 and "crash" not in json.dumps(ended["history"])
    assert str(tmp_path) not in json.dumps(ended)
    (folder / "model.yaml").write_text("nodes: [")
    assert "model.yaml" in watched.read()["trouble"] and "graphs" in watched.read()
    shutil.rmtree(folder)
    assert watched.read()["live"]["state"] == "gone" and "graphs" in watched.read()


def test_other_folders_are_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    for path, received in ((tmp_path, "a folder with other files"), (tmp_path / "file", "a file")):
        with pytest.raises(FileError, match=f"not a run.*{received}"):
            WatchedRun(path)
        result = CliRunner().invoke(main, ["watch", str(path)])
        assert result.exit_code == 2 and "not a run" in result.output
    (tmp_path / "empty").mkdir()
    assert not WatchedRun(tmp_path / "empty").begun


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C by a signal")
def test_the_command_prints_the_address_and_ends_on_ctrl_c(tmp_path):
    command = [sys.executable, "-m", "graphnet", "watch", str(tmp_path / "later")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert "has not begun yet" in process.stdout.readline()
        port, token = re.fullmatch(
            r"watch http://127.0.0.1:(\d+)/#token=([\w-]{43})\n", process.stdout.readline()
        ).groups()
        with closing(http.client.HTTPConnection("127.0.0.1", int(port), timeout=30)) as connection:
            connection.request("GET", "/events", headers={"Authorization": f"Bearer {token}"})
            answer = connection.getresponse()
            assert answer.readline() == b"event: all\n"
            process.send_signal(signal.SIGINT)
            out, error = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130 and out == "" and "Traceback" not in error


@pytest.mark.slow
def test_a_page_in_a_browser_gets_new_curves_without_a_reload(chromium, tmp_path, eager):
    folder, session = tmp_path / "run", chromium
    epochs = "return [...document.querySelectorAll('aside path.first')].map(p => p.getAttribute('d').split('L').length)"

    def until(session, script, wanted):
        end = time.monotonic() + 60
        while (found := session.run(script)) != wanted:
            assert time.monotonic() < end, found
            time.sleep(0.05)

    with serve(WatchedRun(folder).read) as server:
        server.update()
        session.open(server.address, 1280)
        until(session, "return document.querySelector('aside p')?.textContent", "The run has not begun yet.")
        assert session.run("return location.hash") == ""

        def look(epoch):
            server.update()
            if epoch == 2:
                until(session, "return document.querySelectorAll('.box').length", 4)
                until(session, f"{epochs}[0]", 2)
                session.run("document.documentElement.dataset.same = 'yes'")
                session.type("#search", "fully")
                session.run("document.querySelector('aside').scrollTop = 55")
            if epoch > 2:
                until(session, f"{epochs}[0]", epoch)

        train(folder, 4, After(look))
        server.update()
        until(session, "return document.querySelector('aside p').textContent.slice(0, 9)", "Finished:")
        assert session.run("return document.documentElement.dataset.same") == "yes"
        assert session.run("return document.querySelector('#search').value") == "fully"
        assert session.run("return document.querySelector('aside').scrollTop") == 55
        assert session.errors() == []
        session.click("#results button")
        session.run("getSelection().selectAllChildren(document.querySelector('aside h2'))")
        server.shutdown()
        server.server_close()
        server.feed.close()
        until(session, "return document.querySelector('#connection').textContent.slice(0, 14)", "The connection")
        with serve(WatchedRun(folder).read, server.server_port, token=server.token) as second:
            second.update()
            until(session, "return document.querySelector('#connection').textContent", "")
            shutil.rmtree(folder)
            second.update()
            until(session, "return document.querySelectorAll('.box').length", 4)
            assert session.run("return getSelection().toString()") == "fully_connected"
            assert session.run("return document.documentElement.dataset.same") == "yes"
            session.click("aside button")
            until(session, "return document.querySelector('aside p').textContent.slice(0, 37)",
                  "The run is not in its folder any more")  # fmt: skip
    with serve(dict) as server:
        session.open(f"http://127.0.0.1:{server.server_port}/#token=wrong", 390)
        until(
            session,
            "return document.querySelector('#connection').textContent.slice(0, 31)",
            "The token is missing or wrong: ",
        )
