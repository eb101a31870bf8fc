"""Benchmarks: `python -m tests.benchmarks [feed|storage|startup|train_step ...]`, one JSON object a line. Timings decide no test."""
