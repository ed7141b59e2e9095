"""/metrics: Toxiproxy's own counters by their own names, and what each toxic did."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from harness.chaos.toxiproxy.collection import Collection

_LABELS = ("direction", "proxy", "listener", "upstream")


class ProxyCollector(Collector):
    """The counts as they are when they are asked for."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    def collect(self) -> Iterator[Metric]:
        """All families, empty or not."""
        received = CounterMetricFamily("toxiproxy_proxy_received_bytes", "Bytes that came to proxies", labels=_LABELS)
        sent = CounterMetricFamily("toxiproxy_proxy_sent_bytes", "Bytes that proxies sent on", labels=_LABELS)
        acted = CounterMetricFamily(
            "cachegate_toxic_acted", "Chunks and connections that a toxic changed", labels=("proxy", "toxic")
        )
        for proxy in self._collection.proxies.values():
            for direction, traffic in proxy.traffic.items():
                labels = (direction, proxy.name, proxy.listen, proxy.upstream)
                received.add_metric(labels, traffic.received)
                sent.add_metric(labels, traffic.sent)
            for toxic, (count,) in proxy.acted.items():
                acted.add_metric((proxy.name, toxic), count)
        yield received
        yield sent
        yield acted
