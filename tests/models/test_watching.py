"""graphnet watch: who may read the page, what it sends, and that it follows a run from before its start to its end."""

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import closing

import numpy as np
import pytest
from click.testing import CliRunner
from helpers import browser

from graphnet import Builder, ConfigError, FileError, FullyConnected, Trainer, TrainingConfig, dense
from graphnet.cli import main
from graphnet.io.run_folder import RunFolder
from graphnet.models.runs import open_run
from graphnet.models.watching import run, serve
from graphnet.models.watching.run import WatchedRun
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
    assert watched.read() == {"title": "run", "live": {"state": "waiting", "words": "The run has not begun yet."}}


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
def test_a_page_in_a_browser_gets_new_curves_without_a_reload(tmp_path, eager):
    if browser.CHROMIUM is None or browser.DRIVER is None:
        pytest.skip("no Chromium with chromedriver: the page is not opened in a browser")
    folder = tmp_path / "run"
    epochs = "return [...document.querySelectorAll('aside path.first')].map(p => p.getAttribute('d').split('L').length)"

    def until(session, script, wanted):
        end = time.monotonic() + 60
        while (found := session.run(script)) != wanted:
            assert time.monotonic() < end, found
            time.sleep(0.05)

    with serve(WatchedRun(folder).read) as server, browser.browser() as session:
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
            if epoch > 2:
                until(session, f"{epochs}[0]", epoch)

        train(folder, 4, After(look))
        server.update()
        until(session, "return document.querySelector('aside p').textContent.slice(0, 9)", "Finished:")
        assert session.run("return document.documentElement.dataset.same") == "yes"
        assert session.errors() == []
        session.open(f"http://127.0.0.1:{server.server_port}/#token=wrong", 390)
        until(
            session,
            "return document.querySelector('#connection').textContent.slice(0, 31)",
            "The token is missing or wrong: ",
        )
