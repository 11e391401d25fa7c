const maxChars = 64;

/** What is wrong with the name of a user or a token; the server has the same rule. */
export function nameProblem(text: string): string | undefined {
  const name = text.trim();
  if (name === "") return "A name is needed.";
  const strange = name.match(/[^A-Za-z0-9._@+-]/u)?.[0];
  if (strange !== undefined) return `${JSON.stringify(strange)} cannot be in a name.`;
  if (name.length > maxChars) return `${name.length} characters: at most ${maxChars} are taken.`;
  return undefined;
}
