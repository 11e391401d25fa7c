package collect

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestConfigValidate(t *testing.T) {
	err := Config{map[string]Setting{
		"cpu":     {true, 99 * time.Millisecond},
		"disk":    {true, time.Hour + 1},
		"load":    {true, 100*time.Millisecond + time.Microsecond},
		"memory":  {true, -time.Second},
		"network": {true, 0},
		"system":  {true, time.Hour},
		"vmstat":  {false, 100 * time.Millisecond},
	}}.Validate()
	want := "collectors.cpu.interval: 99ms is shorter than 100ms\n" +
		"collectors.disk.interval: 1h0m0.000000001s is longer than 1h0m0s\n" +
		"collectors.load.interval: 100.001ms is not in whole milliseconds\n" +
		"collectors.memory.interval: -1s is shorter than 100ms"
	if err == nil {
		t.Fatal("no error")
	}
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := (Config{}).Validate(); err != nil {
		t.Errorf("the empty configuration: %v", err)
	}
}
