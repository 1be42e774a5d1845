"""
Numbers -> what Prometheus reads, by its own library.

@raise SettingError: on import, when the library is not installed.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import SettingError
from .measures import MEASURES, PREFIX, Measure
from .numbers import Labels, Number, Numbers

try:
    from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
    )
    from prometheus_client.exposition import choose_encoder
    from prometheus_client.metrics_core import Metric
    from prometheus_client.registry import Collector
except ImportError as error:
    raise SettingError(
        "--http needs the library prometheus_client; install pop3svc[http]"
    ) from error


class Exposition(Collector):
    """
    @ivar numbers: those that are shown.
    """

    def __init__(self) -> None:
        self.numbers: Numbers = {}
        self._registry = CollectorRegistry()
        # Of the process that answers; those of the workers are among the numbers.
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._registry.register(self)

    def text(self, accept: str) -> tuple[str, bytes]:
        """
        @param accept: the header of that name; empty for none.
        @return: the type of the content, and the content.
        """
        try:
            encode, contentType = choose_encoder(accept if accept.isascii() else "")
            return contentType, encode(self._registry)
        except (TypeError, ValueError):
            # The library compares versions without a look at them; whoever asks for one
            # such as 1.x must not make a fault of ours, of which /healthz would tell.
            encode, contentType = choose_encoder("")
            return contentType, encode(self._registry)

    def collect(self) -> Iterator[Metric]:
        """@see: L{Collector}"""
        for name, values in self.numbers.items():
            yield _family(MEASURES[name], values)


def _family(measure: Measure, values: dict[Labels, Number]) -> Metric:
    name = PREFIX + measure.name
    if measure.kind == "histogram":
        histogram = HistogramMetricFamily(name, measure.text, labels=measure.labels)
        for labels, value in values.items():
            assert isinstance(value, tuple)
            histogram.add_metric(_utf8(labels), _buckets(measure, value[0]), value[1])
        return histogram
    make = CounterMetricFamily if measure.kind == "counter" else GaugeMetricFamily
    family = make(name, measure.text, labels=measure.labels)
    for labels, value in values.items():
        assert not isinstance(value, tuple)
        family.add_metric(_utf8(labels), value)
    return family


def _utf8(labels: Labels) -> list[str]:
    """The path of a certificate may be no UTF-8, and the library would show nothing at all."""
    return [each.encode("utf-8", "backslashreplace").decode() for each in labels]


def _buckets(measure: Measure, counts: tuple[int, ...]) -> list[tuple[str, float]]:
    """Prometheus wants in each bucket all that are in smaller ones, too."""
    buckets, sum_ = [], 0
    for bound, count in zip((*measure.bounds, float("inf")), counts, strict=True):
        sum_ += count
        buckets.append(("+Inf" if bound == float("inf") else repr(bound), float(sum_)))
    return buckets
