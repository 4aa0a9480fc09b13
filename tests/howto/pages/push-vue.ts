/** A page with the component of docs/howto/push-vue.md. */
import { createApp, type App } from "vue";
import Together from "../recipes/push-vue/Together.vue";

export { client } from "../recipes/push-vue/api.js";

let app: App;

export function show(id: number): void {
  app = createApp(Together, { id });
  app.mount("#app");
}
export const leave = (): void => app.unmount();
