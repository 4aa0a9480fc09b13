/** Errors at the fields of a form: each lands in the element whose data-error names its field. */

const slots = (form) => form.querySelectorAll("[data-error]");

/** Takes all errors away. */
export function clearErrors(form) {
  for (const slot of slots(form)) slot.textContent = "";
  for (const field of form.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
}

/** Says `text` about the form as a whole. */
export function showError(form, text) {
  form.querySelector('[data-error=""]').textContent = text;
}

/**
 * Shows what DRF says of a refused body, {field: [sentences]}, and moves to the first wrong field.
 * Returns false when no field of this form is named, so that the caller can say something else.
 */
export function showFieldErrors(form, errors) {
  const wrong = [...slots(form)].filter((slot) => slot.dataset.error && errors?.[slot.dataset.error]);
  for (const slot of wrong) {
    slot.textContent = [errors[slot.dataset.error]].flat().join(" ");
    form.elements[slot.dataset.error].setAttribute("aria-invalid", "true");
  }
  if (wrong.length) form.elements[wrong[0].dataset.error].focus();
  return wrong.length > 0;
}
