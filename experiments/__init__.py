"""Run definitions: values only. Every module has `ALL`, its experiments by name."""
