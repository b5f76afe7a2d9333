"""What is particular to jobs of the kind study.

Studies can be changed while they run, and the Θ of any trial can become a version.
"""
