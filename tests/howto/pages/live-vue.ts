/** A page with the component of docs/howto/live-vue.md. */
import { createApp } from "vue";
import Snippets from "../recipes/live-vue/Snippets.vue";

export { client } from "../recipes/live-vue/api.js";

const app = createApp(Snippets);

export const show = (): void => void app.mount("#app");
export const leave = (): void => app.unmount();
