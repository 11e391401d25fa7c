package witness

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Stored asks the server at base, whose data directory is dir, for all samples
// of the last eight hours that it has of the witness.
func (c Config) Stored(ctx context.Context, base, dir string) (stored [Series][]Sample, err error) {
	token, err := os.ReadFile(filepath.Join(dir, "admin-token"))
	if err != nil {
		return stored, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/api/v1/query?query="+url.QueryEscape(c.Selector()+"[8h]"), nil)
	if err != nil {
		return stored, err
	}
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return stored, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return stored, fmt.Errorf("asking for %s: %s", c.Selector(), res.Status)
	}
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Values []point
			}
		}
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return stored, err
	}
	for _, r := range answer.Data.Result {
		i, err := strconv.Atoi(r.Metric["i"])
		if err != nil || i < 0 || i >= Series {
			return stored, fmt.Errorf("%s has the series %v", c.Selector(), r.Metric)
		}
		for _, p := range r.Values {
			stored[i] = append(stored[i], Sample(p))
		}
	}
	return stored, nil
}

// point is a sample as the Prometheus API writes it.
type point Sample

func (p *point) UnmarshalJSON(text []byte) error {
	var seconds float64
	var value string
	if err := json.Unmarshal(text, &[2]any{&seconds, &value}); err != nil {
		return err
	}
	var err error
	p.At = int64(seconds*1000 + 0.5)
	p.Value, err = strconv.ParseFloat(value, 64)
	return err
}
