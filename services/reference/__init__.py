"""The REST API for people who try it out: Swagger UI at `/docs`, without anything from another
server."""
