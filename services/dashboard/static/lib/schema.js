// What the OpenAPI document says of a spec's fields, as a form needs it.

export class Schemas {
  constructor(document) {
    this.schemas = document.components.schemas;
  }

  get(name) {
    return this.schemas[name];
  }

  // What a schema is once references are followed; its own words go before those it refers to.
  resolve(schema) {
    if (!schema.$ref) return schema;
    const name = schema.$ref.split("/").at(-1);
    return { ...this.resolve(this.schemas[name]), ...schema, $ref: undefined };
  }

  // One field: its shape, whether it may be null, its sentence and bounds.
  describe(schema) {
    const whole = this.resolve(schema);
    const others = (whole.anyOf ?? []).filter((part) => part.type !== "null");
    const isNullable = whole.anyOf?.some((part) => part.type === "null") ?? false;
    const inner = others.length === 1 ? this.resolve(others[0]) : whole;
    const description = whole.description ?? inner.description ?? "";
    return { schema: inner, shape: this.findShape(inner), isNullable, description, hint: tellBounds(inner) };
  }

  findShape(schema) {
    if (schema.oneOf && schema.discriminator) return "kinds";
    if (schema.const !== undefined) return "constant";
    if (schema.enum) return "choice";
    if (schema.type === "boolean") return "boolean";
    if (schema.type === "integer" || schema.type === "number") return "number";
    if (schema.type === "string") return "text";
    if (schema.type === "object" && schema.properties) return "object";
    if (schema.type === "array" && schema.items) return this.findListShape(schema.items);
    return "json";
  }

  findListShape(items) {
    const item = this.resolve(items);
    if (item.enum) return "choices";
    return ["string", "integer", "number"].includes(item.type) ? "list" : "json";
  }

  // Kind → schema, of a field that is one of several.
  listKinds(schema) {
    const entries = Object.entries(schema.discriminator.mapping);
    return Object.fromEntries(entries.map(([kind, $ref]) => [kind, this.resolve({ $ref })]));
  }
}

function tellBounds(schema) {
  const low = schema.minimum ?? schema.exclusiveMinimum;
  const high = schema.maximum ?? schema.exclusiveMaximum;
  const isHuge = high != null && Math.abs(high) > 1e15;
  if (low != null && high != null && !isHuge) return `${low} to ${high}`;
  return low != null ? `${low} on` : "";
}
