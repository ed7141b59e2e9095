"""From a spec's text to a cache."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from conftest import ZOO

from cache_impls import registry
from cache_impls.improved import ImprovedAsyncCache
from cache_impls.migration import CacheMigrationManager
from cache_impls.protocol import AsyncCache, Capability
from cache_impls.registry import SpecError, from_environment, make, one_line, parse
from cache_impls.stages import Side


def native(text: str, **options: Any) -> Any:
    return make(text, **options).native


def test_parameters_are_json_scalars_or_text() -> None:
    """Numbers, booleans and null are what they look like; all else is text, percent-decoded."""
    spec = parse("improved?a=1&b=1.5&c=true&d=null&e=abc&f=%3F%26&g=[1]&h=")
    assert spec.parameters == {"a": 1, "b": 1.5, "c": True, "d": None, "e": "abc", "f": "?&", "g": "[1]", "h": ""}


def test_parse_imports_no_cache() -> None:
    """The parent never imports what it measures: a wrong module is only found when built."""
    assert parse("no.such.module:factory").target == "no.such.module:factory"


def test_specs_build() -> None:
    """By name, by module, by file, and nested."""
    assert isinstance(native("improved?num_shards=4"), ImprovedAsyncCache)
    assert isinstance(native("cache_impls.improved:ImprovedAsyncCache"), ImprovedAsyncCache)
    assert isinstance(native(f"{ZOO}/broken.py:Correct"), ImprovedAsyncCache)
    manager = native("migration?legacy=legacy&new=improved%3Fmax_entries%3D32&stage=live&percentage=25")
    assert isinstance(manager, CacheMigrationManager)
    new = manager._sides[Side.NEW].native
    assert isinstance(new, ImprovedAsyncCache)
    assert new._max_entries == 32
    assert manager.get_stats()["percentage"] == 25


def test_what_is_built_is_an_async_cache() -> None:
    """The adapted object has the whole interface."""
    assert isinstance(make("legacy"), AsyncCache)


def test_capacity_goes_where_the_factory_takes_it() -> None:
    """As the entry bound, unless the spec sets one; None where there is none."""
    assert make("improved", capacity=7).capacity == 7
    assert make("improved?max_entries=5", capacity=7).capacity == 5
    assert make("null", capacity=7).capacity is None
    assert Capability.CAPACITY in make("improved", capacity=7).capabilities
    assert Capability.CAPACITY not in make("null").capabilities


def test_any_name_of_a_bound_sets_it() -> None:
    """`maxsize` is what most libraries call it; where a factory has the very name, it keeps it."""
    assert make("improved?maxsize=5", capacity=7).capacity == 5
    with pytest.raises(SpecError, match="no parameter 'maxsize'"):
        make("null?maxsize=5")


def test_what_a_name_can_do_is_told_without_a_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the class, or by what a function says it returns; None if it does not say."""
    assert registry.capabilities("migration") == make("migration").capabilities
    assert registry.capabilities("null") == make("null").capabilities
    monkeypatch.setitem(registry.BUILTIN, "silent", (f"{ZOO}/broken.py:factory_raises", ""))
    assert registry.capabilities("silent") is None
    monkeypatch.setitem(registry.BUILTIN, "absent", ("no.such.module:factory", ""))
    with pytest.raises(SpecError, match="could not be imported"):
        registry.capabilities("absent")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("improvd", "did you mean 'improved'"),
        ("zzzzz", "there are aiocache, cacheout"),
        ("memcached://127.0.0.1:11211", "no cache 'memcached://127.0.0.1:11211'"),
        ("improved?num_shard=3", "did you mean 'num_shards'"),
        ("improved?num_shards", "write name=value"),
        ("improved?=3", "write name=value"),
        ("improved?num_shards=0", "could not be built: ValueError: num_shards must be > 0"),
        ("improved?num_shards=many", "could not be built: TypeError"),
        ("no.such.module:factory", "could not be imported: ModuleNotFoundError"),
        ("nowhere/file.py:factory", "there is no file nowhere/file.py"),
        ("cache_impls.improved:Improved", "did you mean 'ImprovedAsyncCache'"),
        ("cache_impls.improved:not an id", "not the name of a factory"),
        (f"{ZOO}/broken.py:factory_raises", "could not be built: RuntimeError: no such host"),
        (f"{ZOO}/broken.py:factory_returns_nothing", "is no cache: NoneType has no get"),
        (f"{ZOO}/broken.py:not_a_factory", "has no factory"),
        (f"{ZOO}/slowed.py:operations?work=1&x=2", "it takes work, max_entries"),
        ("migration?new=nonsense", "could not be built: SpecError: no cache 'nonsense'"),
        ("migration?stage=liv", "there are off, dualwrite"),
    ],
)
def test_a_wrong_spec_says_what_is_wrong_in_one_line(text: str, message: str) -> None:
    """It names the nearest valid one, or the real parameters."""
    with pytest.raises(SpecError) as caught:
        make(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_imported_says_why(tmp_path: Path) -> None:
    """A syntax error in the user's file is one line, not a traceback."""
    (tmp_path / "bad.py").write_text("def factory(:\n")
    with pytest.raises(SpecError, match="could not be imported: SyntaxError"):
        make(f"{tmp_path}/bad.py:factory")


def test_a_file_finds_its_neighbours(tmp_path: Path) -> None:
    """A user's file may import the module beside it, as a script may."""
    (tmp_path / "neighbour_of_mine.py").write_text("from cache_impls.null import NullCache as Mine\n")
    (tmp_path / "mine.py").write_text("from neighbour_of_mine import Mine as factory\n")
    assert type(native(f"{tmp_path}/mine.py:factory")).__name__ == "NullCache"


def test_missing_arguments_are_named(tmp_path: Path) -> None:
    """A factory that needs an argument says which."""
    (tmp_path / "needs.py").write_text("def factory(url): ...\n")
    with pytest.raises(SpecError, match="missing a required argument: 'url'"):
        make(f"{tmp_path}/needs.py:factory")


def test_entry_points_are_known_and_cannot_hide_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """A third party registers a name; `improved` stays ours."""
    group = registry.ENTRY_POINT_GROUP
    points = [
        EntryPoint("theirs", "cache_impls.null:NullCache", group),
        EntryPoint("improved", "cache_impls.null:NullCache", group),
    ]
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: points)
    assert type(native("theirs")).__name__ == "NullCache"
    assert registry.known()["improved"] == registry.BUILTIN["improved"]


def test_a_parameter_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole value as it is, a part of a URL percent-encoded; the spec itself keeps the name."""
    monkeypatch.setenv("CACHE_PW", "a/b@c")
    assert from_environment("${CACHE_PW}") == "a/b@c"
    assert from_environment("valkey://:${CACHE_PW}@host:1/0") == "valkey://:a%2Fb%40c@host:1/0"
    assert from_environment("a ${CACHE_PW} in a text") == "a ${CACHE_PW} in a text"
    assert from_environment(3) == 3
    assert parse("valkey://:${CACHE_PW}@host:1/0").parameters == {"url": "valkey://:${CACHE_PW}@host:1/0"}


def test_a_variable_that_is_not_set_is_a_wrong_spec(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to do."""
    monkeypatch.delenv("CACHE_PW", raising=False)
    with pytest.raises(SpecError, match="has no variable CACHE_PW; set it"):
        from_environment("${CACHE_PW}")


def test_what_steers_a_terminal_is_written_out() -> None:
    """A cache's error is shown to people; what is printable stays as it is."""
    assert one_line(RuntimeError("\x1b]0;t\x07\x1b[31mréd\nnext")) == "RuntimeError: \\x1b]0;t\\x07\\x1b[31mréd next"
    assert one_line(KeyError()) == "KeyError"
