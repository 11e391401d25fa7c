import { describe, expect, it } from "vitest";
import { latencyByAgent, lossByAgent, networkInByAgent, networkOutByAgent } from "./queries";

describe("the overview's queries", () => {
  it.each([networkInByAgent, networkOutByAgent])("count each byte once: %o", (query) => {
    const virtual = new RegExp(`^(?:${/device!~"([^"]*)"/.exec(query("irate", "30s"))?.[1]})$`);
    const counted = (names: string) => names.split(" ").filter((name) => !virtual.test(name));
    const physical = "eth0 eno1 enp3s0f1np1 enx001122334455 ens5 wlan0 wlp2s0 wwan0 usb0 ib0 ppp0 venet0 host0";
    expect(counted(physical)).toEqual(physical.split(" "));
    expect(
      counted(
        "lo dummy0 ifb0 bond0 team0 eth0.100 bond0.42 vlan100 macvtap0 br0 br-1f2e docker0 vmbr0 virbr0 lxcbr0 " +
          "veth1a2b vnet0 vif1.0 tap0 fwbr101i0 cni0 flannel.1 cali1a2b cilium_host kube-ipvs0 tun0 wg0 tailscale0 " +
          "vxlan0 gre0 sit0 tunl0",
      ),
    ).toEqual([]);
  });

  it("ask for probes that cross a network alone, in every part", () => {
    for (const query of [latencyByAgent("30s"), lossByAgent("30s")]) {
      const selectors = query.match(/sonde_probe_\w+\{[^}]*\}/g) ?? [];
      expect(selectors.length).toBeGreaterThan(0);
      for (const selector of selectors) expect(selector).toContain('kind=~"icmp|tcp|http|dns|rtt"');
    }
  });
});
