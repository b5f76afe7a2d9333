"""What is particular to jobs of the kind study: changing them while they run, and versions of their
trials' Θ."""
