// Swagger UI over this server's own document. The key that "Authorize" takes is kept in memory, and
// asked for anew.

window.addEventListener("DOMContentLoaded", () => {
  SwaggerUIBundle({
    url: "/openapi.json",
    dom_id: "#reference",
    deepLinking: true,
    persistAuthorization: false,
    validatorUrl: null,
  });
});
