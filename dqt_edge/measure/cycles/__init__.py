"""Modelled cycles of code that has run in QEMU: counts by address times a public model of the core's timing.

What is modelled and what is not: ``docs/benchmarks.md``. Not checked on silicon.
"""
