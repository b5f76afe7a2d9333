"""What `hyperadam-server up` runs beside the API, so that one command is a whole service."""
