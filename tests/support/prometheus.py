"""Reads Prometheus' text format."""

import re

from . import waiting

_SAMPLE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: \d+)?$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)",?')


class Samples:
    """One scrape. total("usher_closes_total", reason="drain") sums all samples that carry these labels."""

    def __init__(self, text):
        self.text = text
        self._samples = []
        for line in text.splitlines():
            if not line or line.startswith("#"):
                continue
            match = _SAMPLE.match(line)
            if not match:
                raise ValueError(f"not a sample: {line!r}")
            name, labels, value = match.groups()
            self._samples.append((name, dict(_LABEL.findall(labels or "")), float(value)))

    def all(self, metric, /, **labels):
        return [(own, value) for sample, own, value in self._samples
                if sample == metric and all(own.get(k) == str(v) for k, v in labels.items())]

    def total(self, metric, /, **labels):
        return sum(value for _, value in self.all(metric, **labels))

    def names(self):
        return {name for name, _, _ in self._samples}


class Scraped:
    """What a daemon with admin() and log() has besides: its metrics, and waiting for them."""

    def metrics(self):
        code, text = self.admin("/metrics")
        assert code == 200, text
        return Samples(text)

    def wait_metric(self, metric, predicate=lambda value: value >= 1, timeout=None, /, **labels):
        """Waits until the sum of the samples with these labels satisfies the predicate; returns it."""
        last = []

        def satisfied():
            last[:] = [self.metrics().total(metric, **labels)]
            return predicate(last[0])
        try:
            waiting.until(satisfied, f"{metric}{labels}", timeout)
        except AssertionError as error:
            raise AssertionError(f"{error} (last {last}); the log:\n{self.log()}") from None
        return last[0]
