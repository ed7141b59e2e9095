"""The options that our locustfiles add to locust's, and where locust listens unless it is told."""

from __future__ import annotations

from typing import Any

ONCE = frozenset({"key_prefix", "history_folder", "cachegate_result", "cachegate_seconds", "cachegate_orders"})
"""No web form sets these: what names a file, which keys are touched, and what a master tells its workers."""
_LOOPBACK = "127.0.0.1"


def add_options(parser: Any) -> None:
    """Add them to locust's parser. No web form shows or sets those that are read once."""
    parser.set_defaults(web_host=_LOOPBACK, master_bind_host=_LOOPBACK)
    group = parser.add_argument_group("Cachegate")
    add = group.add_argument
    add("--workload", default="", help="What is asked: a preset or trace:FILE. Default: the scenario's.")
    add("--rate", type=float, default=None, help="Requests a second in open phases. Default: the scenario's.")
    add("--seed", type=int, default=1, help="Where users begin, and how long loaders take.")
    add("--history-one-in", type=int, default=1, help="Keep the history of one key in so many; 0 for none.")
    add("--turn-seconds", type=float, default=0.25, help="Of each of two hosts (--host A,B), turn by turn.")

    add("--key-prefix", default="", help="Of every key.")
    add("--history-folder", default=None, help="Where each process leaves its history, for the checkers.")
    add("--cachegate-result", default=None, help="Write what was measured here, as JSON.")
    add("--cachegate-seconds", type=float, default=None, help="Of all phases together.")
