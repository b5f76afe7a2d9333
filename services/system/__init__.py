"""What the service says of itself: queue, machines, versions, and who did what."""
