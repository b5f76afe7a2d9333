"""The documentation site, served at `/guide`."""
