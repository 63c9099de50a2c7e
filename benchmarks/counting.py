"""The counting of the package, under its name in the benchmarks."""

from dqt_edge.measure.counting import CountedDevice, CountFile, Counts, Visit

__all__ = ["CountFile", "CountedDevice", "Counts", "Visit"]
