"""Fuzz of every reader of files from others: `python -m tests.fuzz [NAME ...] --minutes 10`. What it found is in the readers' own tests."""
