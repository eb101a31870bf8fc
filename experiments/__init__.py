"""Run definitions: values only. Every module has `ALL`, its experiments by name; here are those of all modules."""

from experiments import supervised, walkers

ALL = {**supervised.ALL, **walkers.ALL}
