const minChars = 12;
const maxChars = 256;

/** What is wrong with a new password; the server counts in the same way. */
export function passwordProblem(password: string): string | undefined {
  const chars = [...password].length;
  if (chars < minChars) return `${chars} characters: at least ${minChars} are needed.`;
  if (chars > maxChars) return `${chars} characters: at most ${maxChars} are taken.`;
  return undefined;
}
