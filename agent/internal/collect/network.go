package collect

import (
	"time"

	"sonde.dev/sonde/agent/internal/procfs"
	"sonde.dev/sonde/agent/internal/sample"
)

// networkCounters are the metrics of the columns of /proc/net/dev.
var networkCounters = [...]string{
	procfs.ReceiveBytes:       "node_network_receive_bytes_total",
	procfs.ReceivePackets:     "node_network_receive_packets_total",
	procfs.ReceiveErrs:        "node_network_receive_errs_total",
	procfs.ReceiveDrop:        "node_network_receive_drop_total",
	procfs.ReceiveFIFO:        "node_network_receive_fifo_total",
	procfs.ReceiveFrame:       "node_network_receive_frame_total",
	procfs.ReceiveCompressed:  "node_network_receive_compressed_total",
	procfs.ReceiveMulticast:   "node_network_receive_multicast_total",
	procfs.TransmitBytes:      "node_network_transmit_bytes_total",
	procfs.TransmitPackets:    "node_network_transmit_packets_total",
	procfs.TransmitErrs:       "node_network_transmit_errs_total",
	procfs.TransmitDrop:       "node_network_transmit_drop_total",
	procfs.TransmitFIFO:       "node_network_transmit_fifo_total",
	procfs.TransmitColls:      "node_network_transmit_colls_total",
	procfs.TransmitCarrier:    "node_network_transmit_carrier_total",
	procfs.TransmitCompressed: "node_network_transmit_compressed_total",
}

type network struct {
	every
	source *procfs.Source[procfs.NetDev]

	names  []string // of the devices in the schema
	schema *sample.Schema
}

func newNetwork(fs procfs.FS) *network {
	return &network{every: every{"network", time.Second}, source: fs.NetDev()}
}

func (c *network) Collect(_ time.Time, row *Row) error {
	dev, err := c.source.Read()
	if err != nil {
		return err
	}
	devices := dev.Devices[:0]
	ignored := 0
	for _, d := range dev.Devices {
		if len(devices) == maxDevices || !labelable(d.Name) {
			ignored++
			continue
		}
		devices = append(devices, d)
	}
	if !c.fits(devices) {
		c.fit(devices)
	}
	row.Begin(c.schema)
	row.Ignore(ignored)
	for i := range devices {
		for _, v := range devices[i].Counters {
			row.Float(float64(v))
		}
	}
	return nil
}

func (c *network) fits(devices []procfs.NetDevice) bool {
	if c.schema == nil || len(devices) != len(c.names) {
		return false
	}
	for i := range devices {
		if string(devices[i].Name) != c.names[i] {
			return false
		}
	}
	return true
}

func (c *network) fit(devices []procfs.NetDevice) {
	c.names = c.names[:0]
	var all []sample.Series
	for i := range devices {
		name := string(devices[i].Name)
		c.names = append(c.names, name)
		for _, metric := range networkCounters {
			all = append(all, series(metric, "device", name))
		}
	}
	c.schema = sample.NewSchema(all)
}
