"""The meta-training loop: what one update of Θ is made of, and what is kept to go on from."""
