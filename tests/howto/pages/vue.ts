/** A page with the recipe of docs/howto/vue.md: its component, or what its composable gives for an address. */
import { createApp, defineComponent, h, ref, type Component } from "vue";
import Snippets from "../recipes/vue/Snippets.vue";
import { useApi } from "../recipes/vue/useApi.js";

export { api, client, json } from "../recipes/vue/api.js";

const address = ref("");
const Probe = defineComponent(() => {
  const answer = useApi(address);
  return () => {
    const { data, error } = answer.value;
    return h("output", JSON.stringify({ data, error: error && { status: error.status, data: error.data as unknown } }));
  };
});

let app = createApp(Probe);
function mount(component: Component): void {
  app = createApp(component);
  app.mount("#app");
}

export const show = (): void => mount(Snippets);
export function probe(url: string): void {
  const isShown = address.value !== "";
  address.value = url;
  if (!isShown) mount(Probe);
}
export const leave = (): void => app.unmount();
