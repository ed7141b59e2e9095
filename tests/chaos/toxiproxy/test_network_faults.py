"""The wrapper of toxiproxy-python, and that package itself without us, against the embedded server."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from wires import Upstream, connect, read, rest

from harness.chaos import network, proxy_server, undo
from harness.chaos.network import (
    AlreadyExistsError,
    NotFoundError,
    ProxyServer,
    RefusedError,
    ServerSilentError,
)
from harness.chaos.proxy_server import embedded, found_server
from harness.chaos.toxiproxy.guard import TOKEN_VARIABLE
from harness.errors import UsageError


@pytest.fixture(scope="module")
def server() -> Iterator[ProxyServer]:
    """One for all tests here; each takes proxies of its own."""
    with embedded(seed=1) as found:
        yield found


@pytest.fixture
def by_hand() -> Iterator[str]:
    """The address of a server that somebody started, for whom it has no secret."""
    process = subprocess.Popen(
        [sys.executable, "-m", "harness.chaos.toxiproxy", "--port", "0"],
        stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert process.stdout is not None
    yield process.stdout.readline().split()[5].rstrip(",")
    process.terminate()
    process.communicate()


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """A server behind the proxy."""
    found = Upstream()
    yield found
    found.close()


def test_a_fault_from_beginning_to_end(server: ProxyServer, upstream: Upstream) -> None:
    """Created, changed, seen to act, removed."""
    proxy = server.create("whole", upstream.address)
    client, served = upstream.connected(proxy.listen)
    name = proxy.add_toxic("latency", "upstream", latency=60_000)
    assert name == "latency_upstream"
    client.sendall(b"late")
    assert proxy.toxics()[name].attributes == {"latency": 60_000, "jitter": 0}
    changed = proxy.update_toxic(name, latency=1)
    assert (changed.type, changed.stream, changed.attributes["latency"]) == ("latency", "upstream", 1)
    assert read(served, 4) == b"late"
    assert proxy.acted() == {name: 1}
    assert proxy.update_toxic(name, toxicity=0.0).toxicity == 0
    proxy.remove_toxic(name)
    assert proxy.toxics() == {}
    proxy.disable()
    assert rest(client) == b""
    proxy.enable()
    connect(proxy.listen).close()
    assert server.proxies()["whole"].enabled
    proxy.delete()
    assert "whole" not in server.proxies()


def test_names_of_toxics(server: ProxyServer) -> None:
    """Given ones are kept; two of a kind have to have them."""
    proxy = server.create("named", "127.0.0.1:9")
    assert proxy.add_toxic("slicer", name="cuts", average_size=1) == "cuts"
    proxy.add_toxic("slicer", toxicity=0.5, average_size=2)
    assert sorted(proxy.toxics()) == ["cuts", "slicer_downstream"]
    proxy.delete()


def test_populate_and_reset(server: ProxyServer) -> None:
    """Twice the same proxies are the same proxies."""
    wanted = [{"name": "one", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:9"}]
    one = server.populate(wanted)["one"]
    one.add_toxic("timeout")
    again = server.populate([wanted[0] | {"listen": one.listen}])["one"]
    assert again.listen == one.listen
    assert sorted(again.toxics()) == ["timeout_downstream"]
    again.disable()
    server.reset()
    found = server.proxies()["one"]
    assert (found.enabled, found.toxics()) == (True, {})
    found.delete()


def test_two_servers_at_once(server: ProxyServer) -> None:
    """Each call goes to its own."""
    with embedded(seed=2) as other:
        here, there = server.create("twin", "127.0.0.1:9"), other.create("twin", "127.0.0.1:9")
        here.add_toxic("timeout")
        assert there.toxics() == {}
        there.delete()
        assert sorted(server.proxies()["twin"].toxics()) == ["timeout_downstream"]
        here.delete()
    with pytest.raises(ServerSilentError, match=f"no Toxiproxy server answers at {other.url}; is it running"):
        other.version()
    with pytest.raises(ServerSilentError):
        other.create("late", "127.0.0.1:9")


def test_errors_are_ours(server: ProxyServer) -> None:
    """A class each, and one line with what the server said."""
    proxy = server.create("errors", "127.0.0.1:9")
    with pytest.raises(AlreadyExistsError, match="already exists"):
        server.create("errors", "127.0.0.1:9")
    with pytest.raises(RefusedError, match="Toxiproxy says of /proxies/errors/toxics: invalid toxic type"):
        proxy.add_toxic("earthquake")
    with pytest.raises(NotFoundError, match="toxic not found"):
        proxy.remove_toxic("none")
    with pytest.raises(NotFoundError, match="toxic not found"):
        proxy.update_toxic("none", latency=1)
    with pytest.raises(RefusedError, match="no loopback address"):
        server.create("open", "127.0.0.1:9", listen="0.0.0.0:0")
    with pytest.raises(RefusedError, match="listen tcp"):
        server.create("taken", "127.0.0.1:9", listen=proxy.listen)
    proxy.add_toxic("timeout")
    with pytest.raises(AlreadyExistsError, match="toxic already exists") as raised:
        proxy.add_toxic("timeout")
    assert "\n" not in str(raised.value)
    proxy.delete()
    with pytest.raises(NotFoundError, match="proxy not found"):
        proxy.disable()


@pytest.mark.parametrize("name", ["", "a/b", "a?b", "a#b", "50%", "a\nb"])
def test_names_that_no_path_can_carry(server: ProxyServer, name: str) -> None:
    """Said before the server would misread them."""
    with pytest.raises(UsageError, match="cannot be the name"):
        server.create(name, "127.0.0.1:9")


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:8474", "ftp://a", "http://", "http://a:99999", "http://a/b", "http://[1"]
)
def test_urls_that_are_none(url: str) -> None:
    """One line with what it looks like."""
    with pytest.raises(UsageError, match=r"is no address of a Toxiproxy server; it looks like http://127.0.0.1:8474"):
        ProxyServer(url)


def test_a_server_that_does_not_answer() -> None:
    """The time-out is kept."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}"
        with pytest.raises(ServerSilentError, match=r"did not answer within 0\.1 s"):
            ProxyServer(url, timeout=0.1).proxies()


def test_something_else_answers() -> None:
    """A server that is no Toxiproxy is none."""
    with socket.create_server(("127.0.0.1", 0)) as other:

        def serve() -> None:
            client, _ = other.accept()
            with client:
                client.recv(4096)
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(ServerSilentError, match="is no Toxiproxy"):
            ProxyServer(f"http://127.0.0.1:{other.getsockname()[1]}").version()
        thread.join()


def test_proxies_of_the_environment_are_not_asked(server: ProxyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A company's HTTP proxy knows nothing of our loopback."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert server.version()


def test_the_package_itself(by_hand: str, upstream: Upstream) -> None:
    """toxiproxy-python, as its own users use it, is content with our server, started by hand."""
    toxiproxy = pytest.importorskip("toxiproxy")
    theirs = toxiproxy.Toxiproxy()
    theirs.update_api_consumer("127.0.0.1", int(by_hand.rpartition(":")[2]))
    assert theirs.running()
    assert b"version" in theirs.version()
    proxy = theirs.create(upstream=upstream.address, name="theirs")
    with pytest.raises(Exception, match="already exists"):
        theirs.create(upstream=upstream.address, name="theirs")
    client, served = upstream.connected(proxy.listen)
    proxy.add_toxic(type="latency", attributes={"latency": 10, "jitter": 1})
    proxy.add_toxic(name="cut", type="limit_data", stream="upstream", attributes={"bytes": 3})
    assert sorted(proxy.toxics()) == ["cut", "latency_downstream"]
    assert proxy.get_toxic("cut").attributes == {"bytes": 3}
    client.sendall(b"12345")
    assert rest(served) == b"123"
    assert proxy.destroy_toxic("cut")
    with proxy.down(), pytest.raises(ConnectionRefusedError):
        connect(proxy.listen)
    connect(proxy.listen).close()
    assert theirs.get_proxy("theirs").upstream == upstream.address
    made = theirs.populate([{"name": "p", "upstream": "127.0.0.1:9", "listen": "127.0.0.1:0"}])
    assert [one.name for one in made] == ["p"]
    assert theirs.reset()
    theirs.destroy_all()
    assert theirs.proxies() == {}


def test_the_server_of_the_environment(server: ProxyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """TOXIPROXY_URL goes before all, and one line says that nobody answers there."""
    assert server.token is not None
    monkeypatch.setenv("TOXIPROXY_URL", server.url)
    with pytest.raises(UsageError, match="the secret is missing or wrong"), found_server(seed=1):
        pass
    monkeypatch.setenv(TOKEN_VARIABLE, server.token)
    with found_server(seed=1) as found:
        assert (found.url, found.what, found.guarded) == (server.url, f"the one at {server.url}", True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setenv("TOXIPROXY_URL", nobody)
    with pytest.raises(UsageError, match="is it running") as raised, found_server(seed=1):
        pass
    assert "\n" not in str(raised.value)


def test_the_embedded_server_when_there_is_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said which it is, and it ends with the block."""
    monkeypatch.delenv("TOXIPROXY_URL", raising=False)
    monkeypatch.setattr(proxy_server, "PROGRAM", "a program that is nowhere")
    with found_server(seed=1) as found:
        assert (found.what, found.guarded) == ("embedded", True)
        assert found.version()
    with pytest.raises(ServerSilentError):
        found.version()


def test_a_program_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is started on a free port, and ended; one that does not start is a line."""
    monkeypatch.delenv("TOXIPROXY_URL", raising=False)
    program = tmp_path / "toxiproxy-server"
    root = Path(__file__).parents[3]
    program.write_text(
        f'#!/bin/sh\ncd {root}\nexec {sys.executable} -m harness.chaos.toxiproxy --host "$2" --port "$4"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with found_server(seed=1) as found:
        assert (found.what, found.guarded) == (f"toxiproxy-server {found.version()} on the PATH", False)
        assert found.create("p", "127.0.0.1:9").enabled
    with pytest.raises(ServerSilentError):
        found.version()
    program.write_text("#!/bin/sh\necho it is broken\nexit 1\n")
    with pytest.raises(UsageError, match="toxiproxy-server on the PATH did not start: it is broken"), found_server(1):
        pass


def test_a_server_for_anybody_is_said_to_be_one(by_hand: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret that it does not ask for guards nothing."""
    monkeypatch.setenv("TOXIPROXY_URL", by_hand)
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    with found_server(seed=1) as found:
        assert not found.guarded
        found.create("by-hand", "127.0.0.1:9").delete()
    monkeypatch.setenv(TOKEN_VARIABLE, "a secret")
    with found_server(seed=1) as found:
        assert not found.guarded


def test_a_proxy_is_taken_away_with_the_secret_alone(server: ProxyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the keeper too, straight to the server; what goes wrong is told without the secret."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    server.create("kept", "127.0.0.1:9")
    problem = undo.perform(undo.remove_proxy(server.url, "kept", "not-the-secret"))
    assert problem is not None
    assert "401" in problem
    assert "not-the-secret" not in problem
    assert "kept" in server.proxies()
    assert undo.perform(undo.remove_proxy(server.url, "kept", server.token)) is None
    assert "kept" not in server.proxies()


def test_the_secret_is_in_no_command_line(server: ProxyServer) -> None:
    """Which everybody on the machine may read; nor in the environment of the server."""
    assert server.pid is not None
    assert server.token is not None
    for file in ("cmdline", "environ"):
        assert server.token.encode() not in Path(f"/proc/{server.pid}/{file}").read_bytes()


@pytest.mark.parametrize(
    "said", [b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 2_000_000, b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nno!", b""]
)
def test_whoever_answers_at_the_place_of_a_server(said: bytes) -> None:
    """Neither the door to Toxiproxy nor an undo takes it for one, waits for it, or keeps all that it says."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"

        def answer() -> None:
            for _ in range(2):
                client, _ = listening.accept()
                with client, suppress(OSError):
                    client.recv(4096)
                    client.sendall(said)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        with pytest.raises(ServerSilentError):
            ProxyServer(url, timeout=1.0).version()
        problem = undo.perform(undo.remove_proxy(url, "kept"))
        assert problem is not None
        assert "it answered" in problem
        thread.join()


def test_a_server_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes in time, and the answer never: a call ends all the same."""
    over = threading.Event()
    monkeypatch.setattr(network, "_LONGEST_TIMES", 2)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            client, _ = listening.accept()
            with client, suppress(OSError):
                client.sendall(b"HTTP/1.1 200 OK\r\n")
                while not over.wait(0.05):
                    client.sendall(b"X")

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        with pytest.raises(ServerSilentError, match="did not answer within"):
            ProxyServer(f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=0.2).version()
        over.set()
        thread.join()
