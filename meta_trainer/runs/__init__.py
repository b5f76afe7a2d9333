"""What a job leaves in its run of the registry, and what it takes from the runs of others."""
