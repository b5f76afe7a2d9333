"""Jobs: their life cycle, their tables, and every REST call about them."""
