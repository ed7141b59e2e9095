"""A TCP proxy that does harm on request, driven over the HTTP API of Toxiproxy 2: for machines that have no Toxiproxy.

`stage.py` (what waits before a toxic) <- `toxics/` (one kind of harm each) <- `link.py` (one direction of a connection)
<- `connection.py` <- `proxy.py` (a listener) <- `collection.py` (proxies by name) <- `api.py` (HTTP) <- `serving.py`.
"""
