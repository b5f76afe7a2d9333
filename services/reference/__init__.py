"""The REST API for people who try it out: Swagger UI at `/docs`.

Nothing of it comes from another server.
"""
