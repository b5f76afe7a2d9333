"""What an evaluation shows: tables, curves and pages made of its report."""
