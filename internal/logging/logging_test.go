package logging

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
)

func TestAutoIsJSONOffTerminal(t *testing.T) {
	var out bytes.Buffer
	var level slog.LevelVar
	log := New(&out, Auto, &level)
	log.Debug("quiet")
	log.Info("stored", "samples", 3)
	var line struct {
		Msg     string
		Samples int
	}
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("log line %q: %v", out.String(), err)
	}
	if line.Msg != "stored" || line.Samples != 3 {
		t.Errorf("log line is %+v", line)
	}
	out.Reset()
	level.Set(slog.LevelDebug)
	if log.Debug("loud"); out.Len() == 0 {
		t.Error("a level lowered at run time does not show debug lines")
	}
}

func TestParseNamesTheValue(t *testing.T) {
	if _, err := ParseFormat("xml"); err == nil || !strings.Contains(err.Error(), `"xml"`) {
		t.Errorf("ParseFormat error %v does not name the value", err)
	}
	if _, err := ParseLevel("chatty"); err == nil || !strings.Contains(err.Error(), `"chatty"`) {
		t.Errorf("ParseLevel error %v does not name the value", err)
	}
}
