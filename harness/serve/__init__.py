"""One cache in a process of its own, over the wire: RESP for clients, HTTP for operators."""
