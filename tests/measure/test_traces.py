"""Recorded accesses: read a chunk at a time whatever the format and compression, and refused with the place."""

from __future__ import annotations

import gzip
import lzma
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.measure.requests import DELETE, GET, SET
from harness.measure.traces import FOREVER_MS, FORMATS, Accesses, Interner, cache2k, lirs, oracle_general, read, twitter
from harness.measure.traces.opening import BLOCK_BYTES
from harness.measure.traces.text import LONGEST_LINE_BYTES

KEYS = [5, 1, 2, 5, 5, -7, 2]
CACHE2K = np.array(KEYS, dtype=">i4").tobytes()
LIRS = b"*\n5\n1\n\n2\n5\r\n*\n18446744073709551615"
TWITTER = b"".join(
    (
        b"10,user:1,6,120,7,get,0\n",
        b"10,a,b,,4,0,7,gets,0\n",  # a key with commas, a value of nothing
        b"12,user:1,6,130,7,set,60\n\n",
        b"11,user:2,6,10,7,incr,0\n",
        b"13,user:1,6,0,8,delete,0\n",
    )
)


def oracle(rows: list[tuple[int, int, int, int]]) -> bytes:
    return np.array(rows, dtype=oracle_general.RECORD).tobytes()


ORACLE = oracle([(3, 2**64 - 1, 100, 2), (3, 7, 0, -1), (9, 2**64 - 1, 5, np.iinfo(np.int64).max)])
PACKED: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": partial(gzip.compress, mtime=0),  # in the names of tests, which two processes have to agree on
    ".xz": lzma.compress,
    ".zst": zstandard.compress,
}


def whole(path: Path, name: str | None = None) -> Accesses:
    """All chunks as one."""
    chunks = list(read(path, name))
    columns: dict[str, Any] = {}
    for field in Accesses.__dataclass_fields__:
        parts = [getattr(chunk, field) for chunk in chunks]
        columns[field] = None if parts[0] is None else np.concatenate(parts)
    return Accesses(**columns)


def written(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("ending", PACKED)
@pytest.mark.parametrize(
    ("data", "keys"),
    [(CACHE2K, KEYS), (LIRS, [5, 1, 2, 5, -1]), (ORACLE, [-1, 7, -1])],
    ids=["cache2k", "lirs", "oracleGeneral"],
)
def test_keys_come_out_in_order(tmp_path: Path, ending: str, data: bytes, keys: list[int]) -> None:
    """Whatever it is packed with, told by content, with an ending that says so or none."""
    for name in (f"t.trace{ending}", "plainly-named"):
        assert whole(written(tmp_path, name, PACKED[ending](data))).key.tolist() == keys


def test_twitter_has_all_columns(tmp_path: Path) -> None:
    """Operations as the cache sees them, times as recorded, a write without a ttl for ever, a read without one open."""
    found = whole(written(tmp_path, "cluster52.csv", TWITTER))
    assert found.op is not None
    assert found.size is not None
    assert found.ttl_ms is not None
    assert found.time_ns is not None
    assert found.op.tolist() == [GET, GET, SET, SET, DELETE]
    assert found.size.tolist() == [120, 0, 130, 10, 0]
    assert found.ttl_ms.tolist() == [0, 0, 60_000, FOREVER_MS, 0]
    assert (found.time_ns // 10**9).tolist() == [10, 10, 12, 11, 13]
    keys = found.key.tolist()
    assert keys[0] == keys[2] == keys[4]
    assert len(set(keys)) == 3


def test_oracle_general_has_sizes_and_times(tmp_path: Path) -> None:
    """Little-endian, packed; the next access is not used."""
    found = whole(written(tmp_path, "t", ORACLE))
    assert found.size is not None
    assert found.time_ns is not None
    assert found.op is None
    assert (found.size.tolist(), (found.time_ns // 10**9).tolist()) == ([100, 0, 5], [3, 3, 9])


def test_several_frames_are_one_trace(tmp_path: Path) -> None:
    """Files made by appending: gzip members, xz streams, Zstandard frames."""
    for ending in (".gz", ".xz", ".zst"):
        path = written(tmp_path, f"t{ending}", PACKED[ending](CACHE2K) + PACKED[ending](CACHE2K))
        assert whole(path).key.tolist() == KEYS + KEYS


def test_blocks_are_cut_anywhere(tmp_path: Path) -> None:
    """Records and lines that lie across two blocks are whole, and come in more than one chunk."""
    keys = np.arange(BLOCK_BYTES, dtype=np.int64) * 7
    text = written(tmp_path, "t", "\n".join(map(str, keys.tolist())).encode())
    rows = np.zeros(len(keys), dtype=oracle_general.RECORD)
    rows["key"], rows["next"] = keys, -1
    binary = written(tmp_path, "t.oracleGeneral.zst", zstandard.compress(rows.tobytes()))
    for path in (text, binary):
        chunks = list(read(path))
        assert len(chunks) > 5
        assert np.array_equal(np.concatenate([chunk.key for chunk in chunks]), keys)


def test_a_format_can_be_named(tmp_path: Path) -> None:
    """What is named outranks what it looks like; a file's name tells what content does not."""
    path = written(tmp_path, "t", ORACLE)
    assert len(whole(path, "cache2k").key) == 18
    unclear = oracle([(5, 1, 1, 0)])  # no next access, as some writers have it
    assert len(whole(written(tmp_path, "u.oracleGeneral.bin", unclear)).key) == 1
    assert len(whole(written(tmp_path, "u.bin", unclear)).key) == 6
    with pytest.raises(UsageError, match=r"no trace format 'lris'; did you mean 'lirs'\?"):
        whole(path, "lris")


TOO_LONG = b"1" * (LONGEST_LINE_BYTES + BLOCK_BYTES)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("t", b"", "it is empty"),
        ("t.csv", b"\n\n", "it is empty"),
        ("t", b"*\n*\n", "it is empty"),
        ("t.gz", PACKED[".gz"](b""), "it is empty"),
        ("t", CACHE2K[:-1], r"record 7, at byte 24, has 3 of the 4 bytes that were expected; is it truncated\?"),
        ("t.oracleGeneral", ORACLE[:-1], "record 3, at byte 48, has 23 of the 24 bytes"),
        ("t.gz", PACKED[".gz"](CACHE2K)[:-5], "cannot be read after byte 0 of its content"),
        ("t.gz", PACKED[".gz"](CACHE2K)[:-8] + bytes(8), "incorrect data check"),
        ("t.xz", lzma.compress(CACHE2K)[:-5], "cannot be read after byte"),
        ("t.zst", zstandard.compress(CACHE2K)[:-2], "ends within a Zstandard frame"),
        ("t.xz", b"not xz at all", "cannot be read"),
        ("t.zst", b"not zst at all", "cannot be read"),
        ("t.txt", b"hello world\n", "its first line 'hello world' is not lirs"),
        ("t", b"1\n2\nthree\n4\n", "line 3 holds 'three'; expected a decimal key"),
        ("t", b"1\n1_000\n", "line 2 holds '1_000'"),
        ("t", b"1\n1 2\n", "line 2 holds '1 2'"),
        ("t", b"1\n**\n", r"line 2 holds '\*\*'"),
        ("t", b"1\n18446744073709551616\n", "line 2 holds '18446744073709551616'"),
        ("t", b"1\n\xff\xfe" + b"9" * 200 + b"\n", r"line 2 holds '.{2}xff.{2}xfe9+\.\.\.'; expected"),
        ("t", b"1\n" + TOO_LONG, "line 2 holds '1+.*' and goes on for more than 65,536 bytes"),
        ("t.csv", TWITTER + b"14,k,1,2,3,gett,0", "line 7 holds '14,k,1,2,3,gett,0'; expected timestamp,key,"),
        ("t.csv", TWITTER + b"14,k,1,2,3,get\n", "line 7 holds"),
        ("t.csv", TWITTER + b"14,,0,2,3,get,0\n", "line 7 holds"),
        ("t.csv", TWITTER + b"14,k,1,-2,3,get,0\n", "line 7 holds"),
        ("t.csv", TWITTER + b"now,k,1,2,3,get,0\n", "line 7 holds"),
        ("t.csv", TWITTER + b"14,k,one,2,3,get,0\n", "line 7 holds"),
        ("t.csv", TWITTER + b"99999999999999999999,k,1,2,3,get,0\n", "line 7 holds"),
    ],
)
def test_a_damaged_trace_is_a_usage_error(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    """One line: where, what is there, what was expected."""
    with pytest.raises(UsageError, match=message) as caught:
        whole(written(tmp_path, name, data))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value).replace(str(tmp_path), "")) < 300


def test_damage_is_told_after_what_came_before_it(tmp_path: Path) -> None:
    """A trial that needs only the beginning is not kept from it, and the place is that of the damage."""
    rng = np.random.default_rng(1)
    packed = gzip.compress(rng.integers(0, 2**31, 400_000).astype(">i4").tobytes())
    chunks = read(written(tmp_path, "t.gz", packed[: len(packed) // 2]))
    assert len(next(chunks).key) == BLOCK_BYTES // 4
    with pytest.raises(UsageError, match=r"cannot be read after byte [1-9]"):
        list(chunks)


def test_a_folder_is_no_trace(tmp_path: Path) -> None:
    """Nor is what is not there."""
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UsageError, match="cannot be read"):
            whole(path)


def test_every_format_has_a_reader() -> None:
    """The table and the modules agree."""
    assert {each.read for each in FORMATS.values()} == {
        module.read for module in (cache2k, lirs, oracle_general, twitter)
    }


@given(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1), st.sampled_from(list(PACKED)))
def test_cache2k_round_trip(tmp_path_factory: pytest.TempPathFactory, keys: list[int], ending: str) -> None:
    """Any keys come back."""
    path = written(tmp_path_factory.mktemp("t"), f"t{ending}", PACKED[ending](np.array(keys, dtype=">i4").tobytes()))
    assert whole(path, "cache2k").key.tolist() == keys


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1), st.lists(st.sampled_from(["*", "", " "])))
def test_lirs_round_trip(tmp_path_factory: pytest.TempPathFactory, keys: list[int], marks: list[str]) -> None:
    """Any keys come back, whatever marks are among them."""
    path = written(tmp_path_factory.mktemp("t"), "t", "\n".join([*marks, *map(str, keys), *marks]).encode())
    assert whole(path, "lirs").key.view(np.uint64).tolist() == keys


SECONDS, KEY_TEXT = (
    st.integers(0, 2**32 - 1),
    st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"])),
)


@given(
    st.lists(
        st.tuples(SECONDS, KEY_TEXT.filter(bool), SECONDS, st.sampled_from(sorted(twitter.OPERATIONS))),
        min_size=1,
    )
)
def test_twitter_round_trip(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, str, int, bytes]]) -> None:
    """Times, sizes and operations come back; two keys are the same exactly if their text is."""
    lines = [f"{time},{key},{len(key)},{size},1,{operation.decode()},0" for time, key, size, operation in rows]
    found = whole(written(tmp_path_factory.mktemp("t"), "t", "\n".join(lines).encode()), "twitter")
    assert found.op is not None
    assert found.size is not None
    assert found.time_ns is not None
    assert found.op.tolist() == [twitter.OPERATIONS[operation] for *_, operation in rows]
    assert found.size.tolist() == [size for _, _, size, _ in rows]
    assert (found.time_ns // 10**9).tolist() == [time for time, *_ in rows]
    assert dense(found.key.tolist()) == dense([key for _, key, *_ in rows])


@given(st.lists(st.tuples(SECONDS, st.integers(0, 2**64 - 1), SECONDS, st.integers(-(2**63), 2**63 - 1)), min_size=1))
def test_oracle_general_round_trip(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, int, int, int]]
) -> None:
    """Times, keys and sizes come back."""
    found = whole(written(tmp_path_factory.mktemp("t"), "t", oracle(rows)), "oracleGeneral")
    assert found.size is not None
    assert found.time_ns is not None
    assert found.key.view(np.uint64).tolist() == [key for _, key, *_ in rows]
    assert found.size.tolist() == [size for _, _, size, _ in rows]
    assert (found.time_ns // 10**9).tolist() == [time for time, *_ in rows]


def dense(keys: list[object]) -> list[int]:
    """Numbers in the order in which keys first come: the oracle of interning."""
    numbers: dict[object, int] = {}
    return [numbers.setdefault(key, len(numbers)) for key in keys]


@given(st.lists(st.lists(st.integers(-20, 20) | st.integers(-(2**63), 2**63 - 1), max_size=40), max_size=30))
def test_ids_are_dense_in_the_order_of_first_use(chunks: list[list[int]]) -> None:
    """However the keys come in chunks, as one dict would number them."""
    interner = Interner()
    found = [interner.ids(np.array(chunk, dtype=np.int64)).tolist() for chunk in chunks]
    keys: list[object] = [key for chunk in chunks for key in chunk]
    assert [each for ids in found for each in ids] == dense(keys)
    assert interner.count == len(set(keys))


def test_web07_is_the_published_trace(web07: Path) -> None:
    """76,118 accesses to 20,484 keys, as its README says."""
    keys = whole(web07).key
    assert (len(keys), len(np.unique(keys))) == (76_118, 20_484)


def test_sprite_is_the_published_trace(sprite: Path) -> None:
    """133,996 accesses, as its README says."""
    assert len(whole(sprite).key) == 133_996


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("0,k\u00e9y,3,10,1,get,0\n1,k\u00e9y,3,10,1,get,0\n".encode(), "text in UTF-8"),
        ("\ufeff12\n13\n14\n15\n16\n".encode(), "text in UTF-8"),
        (b"BZh91AY&SY\x00\x01", "bzip2"),
        (b"PK\x03\x04\x00\x00\x00\x00", "a zip archive"),
    ],
)
def test_what_nobody_means_as_integers_is_refused(tmp_path: Path, content: bytes, what: str) -> None:
    """Any bytes may be cache2k's integers, so what else they are has to be looked for."""
    file = tmp_path / "trace.bin"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=f"this looks like {what}; if it is a trace, name its format"):
        list(read(file))
    assert list(read(file, "cache2k")) if len(content) % 4 == 0 else True


def test_integers_of_many_kinds_are_taken(tmp_path: Path) -> None:
    """Small and large keys, and those whose bytes are letters here and there."""
    file = tmp_path / "trace.bin"
    for keys in ([1, 2, 3] * 20, [2**31 - 1] * 20, [0x41424344, 7] * 20, [-1, 5] * 20):
        file.write_bytes(np.array(keys, dtype=">i4").tobytes())
        assert sum(len(chunk.key) for chunk in read(file)) == len(keys)
