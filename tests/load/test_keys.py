"""Keys on servers of others: all that a run may write, removed, or told."""

from __future__ import annotations

import pytest
from hostile_servers import MODES, hostile

from harness.chaos import undo
from harness.load import keys
from harness.load.connection import BrokenError
from harness.load.drive import Drive, Orders
from harness.load.keys import Keys, keys_of, removed
from harness.load.plan import names, scenario


@pytest.mark.parametrize("workload", sorted({scenario(name).workload for name in names()}))
def test_they_are_all_that_users_may_write(workload: str) -> None:
    """What the workload finds there too, in whatever process."""
    orders = {"scenario": "soak", "workload": workload, "targets": ("resp://127.0.0.1:1",), "users": 1, "rate": 1.0}
    made = Drive(scenario("soak"), Orders.model_validate(orders | {"run_seconds": 1.0, "seed": 7, "prefix": "p:"}), 2)
    made.pacer.end()
    ours = keys_of(workload, "resp://127.0.0.1:1", "p:")
    assert {(ours.prefix + ours.form.format(number)).encode() for number in ours.numbers} == set(made.keys.values())


@pytest.mark.parametrize("mode", sorted({*MODES} - {"drip", "silent"}))
def test_a_server_that_does_not_remove_them_is_told(mode: str) -> None:
    """With how many are left, and where; never with its password."""
    with hostile(mode) as server:
        told = undo.perform(undo.remove_keys(Keys(f"resp://127.0.0.1:{server.port}", "p:", "k{}", [1, 2])))
        assert told is not None
        assert f"up to 2 keys that begin with p: are left on resp://127.0.0.1:{server.port}" in told
        told = undo.perform(undo.remove_keys(Keys(f"resp://:word@127.0.0.1:{server.port}", "p:", "k{}", [1, 2])))
        assert told is not None
        assert "word" not in told


@pytest.mark.parametrize("mode", ["drip", "silent"])
def test_a_server_that_takes_its_time_has_only_so_much(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command does not wait for it for ever."""
    monkeypatch.setattr(keys, "_ANSWER_SECONDS", 0.2)
    with hostile(mode) as server, pytest.raises(BrokenError, match="up to 2 keys"):
        keys.remove(f"resp://127.0.0.1:{server.port}", "p:", "k{}", [1, 2])


def test_what_could_not_be_removed_is_in_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    """Or, where nobody will read a list, on standard error; the others are removed all the same."""
    done: list[str] = []

    def fails() -> str:
        done.append("fails")
        return "2 are left"

    def works() -> None:
        done.append("works")

    with removed([fails, works]) as left:
        assert not done
    assert (left, done) == (["2 are left"], ["fails", "works"])
    with pytest.raises(KeyboardInterrupt), removed([fails, works]):
        raise KeyboardInterrupt
    assert done == 2 * ["fails", "works"]
    assert capsys.readouterr().err == "cachegate: 2 are left\n"
