"""Run definitions: values only. Every module has `ALL`, its experiments by name; here are those of all modules."""

from experiments import cod2, supervised, walkers

ALL = {**supervised.ALL, **walkers.ALL, **cod2.ALL}
