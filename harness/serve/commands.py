"""The commands that a host answers, a function each: the words of a command in, a reply out.

What a cache has, and what clients ask when they connect. Keys are text to the cache (bytes that are no UTF-8 survive),
values are bytes. An error of the cache becomes an error reply and is counted; the host never dies of one. Where a
password is asked, a client that has not given it may do nothing else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from harness.passwords import same
from harness.serve.resp import NO_ROOM, NULL, OK, PONG, Command, array, bulk, error, integer, mapping

if TYPE_CHECKING:
    from harness.serve.host import Host

Answer = Callable[["Session", Command], Awaitable[bytes]]

_MILLISECONDS = 1000
OUT_OF_MEMORY = error("out of memory", "OOM")
"""Made before it is needed."""
_NO_AUTH = error("Authentication required.", "NOAUTH")
_WRONG_PASSWORD = error("invalid username-password pair", "WRONGPASS")
_USER = b"default"
"""The only one, under the name that Redis and Valkey have for it."""


class Session:
    """What a host knows of one client."""

    __slots__ = ("commands", "host", "name", "number", "protocol", "quits")

    def __init__(self, host: Host, number: int) -> None:
        self.host = host
        self.number = number
        self.protocol = 2
        self.name = b""
        self.quits = False
        self.leave()

    def leave(self) -> None:
        """From now on its client is nobody, or everybody where no password is asked."""
        self.commands = COMMANDS if self.host.password is None else _OF_NOBODY
        """What its client may ask."""

    def enter(self, given: list[bytes]) -> bool:
        """Let the client in with a password, or a user and a password; whether it may come."""
        user, password = given if len(given) == 2 else (_USER, given[0])  # AUTH has both forms
        if self.host.password is None or not same(password, self.host.password) or user != _USER:
            return False
        self.commands = COMMANDS
        return True


class CacheError(Exception):
    """The cache raised: its error, in a line."""


class WrongArgumentsError(Exception):
    """The client's own mistake: told as an error, and no error of the cache."""


async def answer(session: Session, command: Command) -> bytes:
    """The reply to a command, whatever happens."""
    if command is NO_ROOM:
        return OUT_OF_MEMORY
    name = command[0].upper()
    handler = session.commands.get(name)
    if handler is None:
        if session.commands is not COMMANDS:
            return _NO_AUTH
        shown = command[0][:64].decode(errors="replace")
        return error(f"unknown command '{shown}': a cache has {', '.join(sorted(n.decode() for n in COMMANDS))}")
    try:
        return await handler(session, command)
    except (WrongArgumentsError, CacheError) as wrong:
        return error(str(wrong))
    except MemoryError:
        return OUT_OF_MEMORY


async def _get(session: Session, command: Command) -> bytes:
    if len(command) != 2:
        raise _arity(command)
    found = await session.host.get(key_of(command[1]))
    if found is None:
        return NULL[session.protocol]
    if found.__class__ is not bytes:
        found = str(found).encode()
    return b"$%d\r\n%b\r\n" % (len(found), found)  # as `bulk`, without the call


async def _set(session: Session, command: Command) -> bytes:
    if len(command) < 3:
        raise _arity(command)
    await session.host.set(key_of(command[1]), command[2], _ttl_of(command[3:]) if len(command) > 3 else None)
    return OK


async def _setex(session: Session, command: Command) -> bytes:
    if len(command) != 4:
        raise _arity(command)
    unit = b"PX" if command[0].upper() == b"PSETEX" else b"EX"
    await session.host.set(key_of(command[1]), command[3], _ttl_of([unit, command[2]]))
    return OK


async def _delete(session: Session, command: Command) -> bytes:
    if len(command) < 2:
        raise _arity(command)
    return integer(sum([bool(await session.host.delete(key_of(key))) for key in command[1:]]))


async def _exists(session: Session, command: Command) -> bytes:
    if len(command) < 2:
        raise _arity(command)
    # A cache has no other way to say whether a key is there: it counts as a read.
    return integer(sum([await session.host.get(key_of(key)) is not None for key in command[1:]]))


async def _size(session: Session, _command: Command) -> bytes:
    return integer(await session.host.size())


async def _clear(session: Session, _command: Command) -> bytes:
    await session.host.clear()
    return OK


async def _ping(_session: Session, command: Command) -> bytes:
    return bulk(command[1]) if len(command) > 1 else PONG


async def _echo(_session: Session, command: Command) -> bytes:
    if len(command) != 2:
        raise _arity(command)
    return bulk(command[1])


async def _info(session: Session, _command: Command) -> bytes:
    return bulk("".join(f"{name}:{value}\r\n" for name, value in session.host.info().items()).encode())


async def _hello(session: Session, command: Command) -> bytes:
    protocol, name, options = session.protocol, session.name, command[2:]
    if len(command) > 1:
        if command[1] not in (b"2", b"3"):
            return error("unsupported protocol version", "NOPROTO")
        protocol = int(command[1])
    while options:
        option = options[0].upper()
        if option == b"AUTH" and len(options) > 2:
            if session.host.password is not None and not session.enter(options[1:3]):
                return _WRONG_PASSWORD
            options = options[3:]
        elif option == b"SETNAME" and len(options) > 1:
            name, options = options[1], options[2:]
        else:
            raise WrongArgumentsError("syntax error: of HELLO's options there are AUTH user password and SETNAME name")
    if session.commands is not COMMANDS:
        return _NO_AUTH
    session.protocol, session.name = protocol, name
    told = [
        ("server", bulk(b"cachegate")),
        ("version", bulk(session.host.version.encode())),
        ("proto", integer(session.protocol)),
        ("id", integer(session.number)),
        ("mode", bulk(b"standalone")),
        ("role", bulk(b"master")),
        ("modules", array(())),
    ]
    return mapping(told, session.protocol)


async def _auth(session: Session, command: Command) -> bytes:
    if len(command) not in (2, 3):
        raise _arity(command)
    if session.host.password is None:
        raise WrongArgumentsError("AUTH called, but this server has no password")
    return OK if session.enter(command[1:]) else _WRONG_PASSWORD


async def _client(session: Session, command: Command) -> bytes:
    asked = command[1].upper() if len(command) > 1 else b""
    if asked == b"ID":
        return integer(session.number)
    if asked == b"GETNAME":
        return bulk(session.name)
    if asked == b"SETNAME" and len(command) > 2:
        session.name = command[2]
    if asked in (b"SETNAME", b"SETINFO", b"NO-EVICT", b"NO-TOUCH", b"MAINT_NOTIFICATIONS"):
        return OK
    raise WrongArgumentsError("of CLIENT there are ID, GETNAME, SETNAME and SETINFO")


async def _nothing(session: Session, command: Command) -> bytes:
    """CONFIG GET and COMMAND: asked by tools when they begin, and content with nothing."""
    if command[0].upper() == b"CONFIG":
        return mapping([(name.decode(errors="replace"), bulk(b"")) for name in command[2:]], session.protocol)
    asked = command[1].upper() if len(command) > 1 else b""
    return integer(len(COMMANDS)) if asked == b"COUNT" else array(())


async def _debug(session: Session, command: Command) -> bytes:
    """Faults from within, of a host that was started to be broken, by those who know its password."""
    if session.host.debug is None or session.host.password is None:
        raise WrongArgumentsError("DEBUG is for the hosts that `cachegate chaos` starts")
    if len(command) < 2:
        raise _arity(command)
    try:
        return session.host.debug.answer(command[1].upper(), command[2:])
    except ValueError as wrong:
        raise WrongArgumentsError(str(wrong)) from wrong


async def _select(_session: Session, command: Command) -> bytes:
    if command[1:] != [b"0"]:
        raise WrongArgumentsError("DB index is out of range: there is database 0")
    return OK


async def _quit(session: Session, _command: Command) -> bytes:
    session.quits = True
    return OK


async def _reset(session: Session, _command: Command) -> bytes:
    session.protocol, session.name = 2, b""
    session.leave()
    return b"+RESET\r\n"


COMMANDS: dict[bytes, Answer] = {
    b"GET": _get,
    b"SET": _set,
    b"SETEX": _setex,
    b"PSETEX": _setex,
    b"DEL": _delete,
    b"UNLINK": _delete,
    b"EXISTS": _exists,
    b"DBSIZE": _size,
    b"FLUSHALL": _clear,
    b"FLUSHDB": _clear,
    b"PING": _ping,
    b"ECHO": _echo,
    b"INFO": _info,
    b"HELLO": _hello,
    b"AUTH": _auth,
    b"CLIENT": _client,
    b"CONFIG": _nothing,
    b"COMMAND": _nothing,
    b"DEBUG": _debug,
    b"SELECT": _select,
    b"QUIT": _quit,
    b"RESET": _reset,
}
_OF_NOBODY = {name: COMMANDS[name] for name in (b"AUTH", b"HELLO", b"QUIT", b"RESET")}
"""Of a client that has not given the password."""


def key_of(key: bytes) -> str:
    """A key as text; bytes that are no UTF-8 survive as surrogates."""
    return key.decode("utf-8", "surrogateescape")


def _arity(command: Command) -> WrongArgumentsError:
    return WrongArgumentsError(f"wrong number of arguments for '{command[0].decode(errors='replace').lower()}' command")


def _ttl_of(options: list[bytes]) -> float:
    """Seconds from EX or PX, the only options of SET that a cache can keep. Raises WrongArgumentsError."""
    unit = options[0].upper()
    if len(options) != 2 or unit not in (b"EX", b"PX"):
        raise WrongArgumentsError("syntax error: of SET's options a cache has EX seconds and PX milliseconds")
    try:
        amount = int(options[1])
    except ValueError:
        raise WrongArgumentsError("value is not an integer or out of range") from None
    if not 0 < amount < 2**53:
        raise WrongArgumentsError("invalid expire time in 'set' command")
    return amount if unit == b"EX" else amount / _MILLISECONDS
