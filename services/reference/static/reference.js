// Swagger UI over this server's own document. The key that "Authorize" takes is kept in memory, and
// asked for anew. Requests go to where the page came from, below whatever path of a proxy.

window.addEventListener("DOMContentLoaded", async () => {
  const answer = await fetch("openapi.json");
  const spec = await answer.json();
  const folder = new URL(".", window.location.href).pathname;
  spec.servers = [{ url: folder.replace(/\/$/, "") || "/" }];
  SwaggerUIBundle({
    spec,
    dom_id: "#reference",
    deepLinking: true,
    persistAuthorization: false,
    validatorUrl: null,
  });
});
