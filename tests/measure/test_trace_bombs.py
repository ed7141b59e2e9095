"""Traces that were made to fill the machine: what is held is bounded whatever a few bytes unpack to."""

from __future__ import annotations

import gzip
import lzma
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard

from harness.errors import UsageError
from harness.measure.traces import opening, read
from harness.measure.traces.opening import BLOCK_BYTES, MOST_EMPTY, blocks
from harness.measure.traces.text import LONGEST_LINE_BYTES

MEGABYTE = 1 << 20
MEMBER = 8
"""Megabytes of a gzip member, or of an xz stream, which come more than once: making them takes long."""
MOST_GROWTH = 30 * MEGABYTE
_GROWN = """
import sys
from pathlib import Path
from harness.errors import UsageError
from harness.measure.traces import read

def peak():
    rows = Path("/proc/self/status").read_text().splitlines()
    return next(int(row.split()[1]) * 1024 for row in rows if row.startswith("VmHWM"))

before, total, problem = peak(), 0, ""
try:
    for chunk in read(Path(sys.argv[1])):
        total += len(chunk.key)
except UsageError as error:
    problem = str(error)
print(peak() - before, total, problem)
"""


def frame(content: bytes, megabytes: int, window_descriptor: int = 0x70) -> bytes:
    """A frame of Zstandard with a byte that comes so often: 4 bytes of it are 128 KiB. The window is 16 MiB."""
    block, last = (2 | 131_072 << 3), (3 | 131_072 << 3)
    count = 8 * megabytes - 1
    rows = (block.to_bytes(3, "little") + content) * count + last.to_bytes(3, "little") + content
    return b"\x28\xb5\x2f\xfd" + bytes([0, window_descriptor]) + rows


def gzip_of(content: bytes, megabytes: int) -> bytes:
    return gzip.compress(content * (MEMBER * MEGABYTE), 9) * (megabytes // MEMBER)


def xz_of(content: bytes, megabytes: int) -> bytes:
    return lzma.compress(content * (MEMBER * MEGABYTE), preset=6) * (megabytes // MEMBER)


BOMBS: dict[str, Callable[[bytes, int], bytes]] = {"zst": frame, "gz": gzip_of, "xz": xz_of}


def grown(path: Path) -> tuple[int, int, str]:
    """By how many bytes a process grows that reads a trace, its accesses, and what it said."""
    done = subprocess.run([sys.executable, "-c", _GROWN, str(path)], capture_output=True, text=True, check=True)
    growth, total, problem = done.stdout.strip("\n").split(" ", 2)
    return int(growth), int(total), problem


@pytest.mark.parametrize("packing", BOMBS)
def test_memory_does_not_follow_what_a_file_unpacks_to(tmp_path: Path, packing: str) -> None:
    """It streams: so many zeros are so many accesses to one key."""
    path = tmp_path / "bomb"
    path.write_bytes(BOMBS[packing](b"\0", 256))
    growth, total, problem = grown(path)
    assert (total, problem) == (256 * MEGABYTE // 4, "")
    assert growth < MOST_GROWTH


@pytest.mark.parametrize("packing", BOMBS)
@pytest.mark.parametrize("content", [b"1", b","])
def test_a_line_without_an_end_is_not_gathered(tmp_path: Path, packing: str, content: bytes) -> None:
    """One line says which it is, after so many bytes of it."""
    path = tmp_path / "bomb.csv"
    path.write_bytes(BOMBS[packing](content, 256))
    growth, total, problem = grown(path)
    assert total == 0
    assert "line 1 holds" in problem or "its first line" in problem
    assert len(problem) < 500
    assert growth < MOST_GROWTH


def test_what_a_call_unpacks_is_bounded(tmp_path: Path) -> None:
    """Of every packing."""
    for packing, made in BOMBS.items():
        path = tmp_path / packing
        path.write_bytes(made(b"\0", 8))
        assert {len(block) for block in blocks(path)} == {BLOCK_BYTES}
        with path.open("rb") as file:
            assert max(map(len, opening._unpacker(path, path.read_bytes())(file))) <= BLOCK_BYTES


def test_a_window_that_is_too_wide_is_refused(tmp_path: Path) -> None:
    """Before it is held, with what to do; one of as much as usual tools take by themselves is not."""
    wide = lzma.compress(b"1\n" * 100, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 64 * MEGABYTE}])
    for packed in (wide, frame(b"\0", 1, window_descriptor=0x78), frame(b"\0", 1, window_descriptor=0xA0)):
        path = tmp_path / "wide"
        path.write_bytes(packed)
        with pytest.raises(UsageError, match="a window of more than 16 MiB; unpack it first") as caught:
            list(read(path))
        assert "damaged" not in str(caught.value)
    usual = zstandard.ZstdCompressor(level=19).compress(b"1\n" * 20_000_000)
    for packed in (usual, lzma.compress(b"1\n" * 100, preset=7)):
        (tmp_path / "usual").write_bytes(packed)
        assert next(read(tmp_path / "usual")).key[0] == 1


EMPTY = {
    "gz": gzip.compress(b""),
    "xz": lzma.compress(b""),
    "zst": zstandard.compress(b""),
    "skippable": b"\x5f\x2a\x4d\x18\0\0\0\0",
}
TWO = {"gz": gzip.compress(b"1\n2\n"), "xz": lzma.compress(b"1\n2\n"), "zst": zstandard.compress(b"1\n2\n")}


@pytest.mark.parametrize("packing", EMPTY)
def test_frames_of_nothing_are_passed_over(tmp_path: Path, packing: str) -> None:
    """Before, between and after those of something."""
    nothing, two = EMPTY[packing] * 500, TWO.get(packing, TWO["zst"])
    path = tmp_path / "t.zst"
    path.write_bytes((nothing if packing != "skippable" else b"") + two + nothing + two + nothing)
    assert b"".join(blocks(path)) == b"1\n2\n1\n2\n"


@pytest.mark.parametrize("packing", EMPTY)
def test_too_many_frames_of_nothing_are_told(tmp_path: Path, packing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that makes no progress says so."""
    monkeypatch.setattr(opening, "MOST_EMPTY", 50)
    path = tmp_path / f"t.{packing if packing in TWO else 'zst'}"
    path.write_bytes(EMPTY[packing] * 60)
    with pytest.raises(UsageError, match="more than 50 parts of it in a row hold nothing"):
        list(blocks(path))


class Counted(bytes):
    """Bytes that count how often they are looked at."""

    looks = 0

    def __len__(self) -> int:
        Counted.looks += 1
        return super().__len__()


@pytest.mark.parametrize("size", [1_000, 4_000])
def test_the_work_follows_the_number_of_frames(size: int) -> None:
    """Not its square: each part is looked at a few times, however many wait."""

    def parts() -> Iterator[bytes]:
        for number in range(size):
            yield Counted(b"" if number % 2 else b"1")

    Counted.looks = 0
    assert b"".join(opening._gathered(parts())) == b"1" * (size // 2)
    assert Counted.looks <= 3 * size


@pytest.mark.parametrize("cut", ["gz", "xz", "zst"])
def test_every_end_but_the_last_is_told(tmp_path: Path, cut: str) -> None:
    """A file that is cut anywhere within a frame is truncated; at its end it is whole."""
    packed = TWO[cut] * 2
    for size in range(1, len(packed)):
        path = tmp_path / f"t.{cut}"
        path.write_bytes(packed[:size])
        if size == len(packed) // 2:
            assert b"".join(blocks(path)) == b"1\n2\n"
            continue
        with pytest.raises(UsageError, match="truncated or damaged"):
            list(blocks(path))


def test_zeros_between_members_are_padding(tmp_path: Path) -> None:
    """Of gzip and xz, as tapes and aligned archives have them."""
    for packing in ("gz", "xz"):
        path = tmp_path / packing
        path.write_bytes(TWO[packing] + bytes(40_000) + TWO[packing] + bytes(40_000))
        assert b"".join(blocks(path)) == b"1\n2\n1\n2\n"


def test_lines_are_as_long_wherever_blocks_are_cut(tmp_path: Path) -> None:
    """A key may be long; beyond the bound it is refused."""
    path = tmp_path / "t.csv"
    for size, taken in ((LONGEST_LINE_BYTES - 100, True), (LONGEST_LINE_BYTES + 100, False)):
        path.write_bytes(b"1,%b,1,1,1,get,0\n" % (b"k" * size))
        if taken:
            assert len(next(read(path, "twitter")).key) == 1
            continue
        with pytest.raises(UsageError, match="goes on for more than"):
            list(read(path, "twitter"))


def test_the_bound_is_far_from_what_people_have() -> None:
    """Who appends every second for a day has fewer."""
    assert MOST_EMPTY > 86_400
