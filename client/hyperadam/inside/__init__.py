"""What a Θ does inside, shown on a training of a small network: `hyperadam inspect`."""
