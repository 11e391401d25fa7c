import { createRouterTransport } from "@connectrpc/connect";
import { act } from "react";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createDemoTransport } from "@/demo/transport";
import { Role } from "@/gen/sonde/v1/access_pb";
import { AccessService } from "@/gen/sonde/v1/access_service_pb";
import { type Rendered, render, until } from "@/lib/testing/render";
import { AccessPage } from "./access-page";

let page: Rendered | undefined;
afterEach(async () => {
  await page?.close();
  page = undefined;
  vi.useRealTimers();
});

const show = async (role: Role, search = "") => {
  page = await render(<AccessPage />, { transport: createDemoTransport({ role }), search });
};
const text = () => document.body.textContent ?? "";
const says = (wanted: string) => until(() => expect(text()).toContain(wanted));
const tabs = () => [...document.querySelectorAll("[role=tab]")].map((tab) => tab.textContent);

function button(name: string): HTMLButtonElement {
  const found = [...document.body.querySelectorAll<HTMLButtonElement>("button")].find(
    (element) => (element.getAttribute("aria-label") ?? element.textContent) === name,
  );
  if (!found) throw new Error(`no button is called ${name}`);
  return found;
}
const press = async (name: string) => {
  await until(() => expect(button(name).disabled).toBe(false));
  await act(async () => button(name).click());
};
const type = async (label: string, value: string) => {
  const id = [...document.querySelectorAll("label")].find((l) => l.textContent === label)?.htmlFor;
  const field = document.getElementById(id ?? "") as HTMLInputElement;
  await act(async () => {
    Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value")?.set?.call(field, value);
    field.dispatchEvent(new Event("input", { bubbles: true }));
  });
};
const secret = () => document.querySelector<HTMLTextAreaElement>("textarea[readonly]")?.value ?? "";

describe("AccessPage", () => {
  it("has for each role what it may see", async () => {
    await show(Role.ADMIN);
    await until(() => expect(tabs()).toEqual(["Users", "API tokens", "Join tokens", "Audit log"]));
    await page?.close();
    await show(Role.OPERATOR, "?tab=users");
    await until(() => expect(tabs()).toEqual(["Join tokens", "Audit log"]));
    await page?.close();
    await show(Role.VIEWER);
    await says("This is for operators and admins");
  });

  it("invites a person, and shows the link once", async () => {
    await show(Role.ADMIN);
    await press("Invite a person");
    await type("Name", "no spaces");
    await says('" " cannot be in a name.');
    expect(button("Invite").disabled).toBe(true);
    await type("Name", "ADA");
    await press("Invite");
    await says('another user has the name "ADA"');
    await type("Name", "katherine");
    await press("Invite");
    await says("katherine is invited");
    expect(secret()).toMatch(/^https:\/\/sonde\.example:7070\/login\?code=sonde_code_/);
    await press("I have it");
    await until(() => expect(document.querySelector("table")?.textContent).toContain("katherine"));
    expect(secret()).toBe("");
  });

  it("gives who came by the start link an admin's account", async () => {
    const made: { name: string; role: Role }[] = [];
    const transport = createRouterTransport(({ service }) =>
      service(AccessService, {
        getSelf: () => ({ name: "link", role: Role.ADMIN, publicUrl: "https://sonde.example:7070" }),
        listUsers: () => ({ users: [] }),
        createUser: ({ name, role }) => {
          made.push({ name, role });
          return { user: { name, role }, loginPath: "/login?code=sonde_code_first" };
        },
      }),
    );
    page = await render(<AccessPage />, { transport });
    await press("Create my account");
    await type("Name", "ada");
    await press("Create");
    await until(() => expect(secret()).toBe("https://sonde.example:7070/login?code=sonde_code_first"));
    expect(made).toEqual([{ name: "ada", role: Role.ADMIN }]);
    await press("I have it");
    await press("Invite a person");
    expect(document.querySelector<HTMLSelectElement>("select")?.value).toBe(String(Role.VIEWER));
  });

  it("makes and revokes an API token", async () => {
    await show(Role.ADMIN, "?tab=tokens");
    await press("New API token");
    await type("Name", "backup");
    await press("Make the token");
    await says("API token backup");
    expect(secret()).toMatch(/^sonde_api_/);
    await press("I have it");
    await press("Revoke backup");
    await press("Revoke");
    await until(() => expect(document.querySelector("table")?.textContent).not.toContain("backup"));
    expect(() => button("Revoke bootstrap")).toThrow();
  });

  it("tells what becomes of join tokens", async () => {
    await show(Role.OPERATOR, "?tab=join");
    await says("8 of 20 hosts");
    expect(text()).toContain("Used up");
    expect(text()).toContain("12 hosts, any number may follow");
  });

  it("tells of a token that expires while the page is open", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    await show(Role.OPERATOR, "?tab=join");
    await says("8 of 20 hosts");
    const row = () => [...document.querySelectorAll("tr")].find((tr) => tr.textContent?.startsWith("rack-7"));
    expect(row()?.textContent).not.toContain("Expired");
    vi.setSystemTime(Date.now() + 6 * 86_400_000);
    await press("Revoke join-20251120-k3v9");
    await press("Revoke");
    await until(() => expect(row()?.textContent).toContain("Expired"), 2_000);
  });

  it("finds in the audit log, in words", async () => {
    await show(Role.OPERATOR, "?tab=audit&find=db-fra");
    await says("Removed host db-fra-01");
    expect(text()).toContain("Refused: permission denied");
    expect(text()).not.toContain("grafana");
  });
});
