import { Code, ConnectError } from "@connectrpc/connect";
import { explain } from "@/lib/errors";

/** Where an error of UpdateAgent belongs: to a field, or to the form as a whole. */
export function fieldErrors(error: unknown): { name?: string; labels?: string; form?: string } {
  const { code, rawMessage } = ConnectError.from(error);
  if (code === Code.AlreadyExists) return { name: rawMessage };
  if (code === Code.InvalidArgument) return /label/i.test(rawMessage) ? { labels: rawMessage } : { name: rawMessage };
  return { form: explain(error) };
}
