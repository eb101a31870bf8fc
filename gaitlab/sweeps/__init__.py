"""Many runs as one thing: what they vary, a study that remembers them, and the table they end as. No Ray here."""
