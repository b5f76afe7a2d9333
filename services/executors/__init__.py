"""Where driver processes run: Ray Jobs, or plain processes of this machine."""
