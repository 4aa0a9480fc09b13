/** A page with the recipe of docs/howto/openapi-fetch.md. */
export { api, client } from "../recipes/openapi-fetch/api.js";
export { add, page } from "../recipes/openapi-fetch/snippets.js";
