/**
 * Copies a text. false when the browser refuses, or has no clipboard because
 * the page came by plain http from another machine; the field that shows the
 * text, if there is one, is selected then, to be copied by hand.
 */
export async function copyText(text: string, field?: HTMLTextAreaElement | null): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    field?.focus();
    field?.select();
    return false;
  }
}
