"""`Idempotency-Key`: a POST that is sent again by a client who heard no answer does what it asks
once."""
