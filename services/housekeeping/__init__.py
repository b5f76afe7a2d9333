"""What nobody asks for any more is removed: by settings now and then, and by a command at once."""
