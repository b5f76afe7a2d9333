"""A request to a host of the operator's choice when a job has ended."""
