"""`Idempotency-Key`: a POST does what it asks once, however often its client sends it."""
