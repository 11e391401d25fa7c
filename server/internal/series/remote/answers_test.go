package remote

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sonde.dev/sonde/server/internal/series"
)

func TestJudge(t *testing.T) {
	for _, test := range []struct {
		name   string
		status int
		header map[string]string
		text   string
		v1     bool // the request is of 1.0
		proven bool
		want   answer
	}{
		{name: "1.0 accepted", status: 204, v1: true, want: answer{verdict: accepted, reason: series.Invalid, written: -1}},
		{name: "2.0 accepted", status: 200, header: map[string]string{"X-Prometheus-Remote-Write-Samples-Written": "7", "X-Prometheus-Remote-Write-Histograms-Written": "2"}, want: answer{verdict: accepted, reason: series.Invalid, written: 9}},
		{name: "2.0 read as 1.0", status: 204, want: answer{verdict: unknownVersion, written: -1}},
		{name: "2.0 unsupported", status: 415, want: answer{verdict: unknownVersion, written: -1}},
		{name: "2.0 not understood", status: 400, text: "cannot parse", want: answer{verdict: unknownVersion, written: -1}},
		{name: "400 of a store that knows 2.0", status: 400, text: "who are you", proven: true, want: answer{verdict: unavailable, written: -1}},
		{name: "400 of a proxy", status: 400, text: "Bad Request", v1: true, want: answer{verdict: unavailable, written: -1}},
		{name: "not a URL of remote write", status: 400, text: `{"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": 1:1: parse error"}`, v1: true, want: answer{verdict: unavailable, written: -1}},
		{name: "2.0 called invalid", status: 400, text: "invalid sample", want: answer{verdict: unknownVersion, written: -1}},
		{name: "histograms switched off", status: 400, text: "native histograms are disabled", v1: true, want: answer{verdict: unavailable, written: -1}},
		{name: "label without a name", status: 400, text: "label name is empty: invalid sample", v1: true, want: answer{verdict: refused, reason: series.Invalid, written: -1}},
		{name: "of the future", status: 400, text: "out of bounds: timestamp is too far in the future", v1: true, want: answer{verdict: refused, reason: series.TooOld, written: -1}},
		{name: "too many labels", status: 400, text: "received a series whose number of labels exceeds the limit", v1: true, want: answer{verdict: refused, reason: series.Invalid, written: -1}},
		{name: "too many buckets", status: 400, text: "received a native histogram sample with too many buckets", v1: true, want: answer{verdict: refused, reason: series.Invalid, written: -1}},
		{name: "out of order", status: 400, text: "out of order sample", v1: true, want: answer{verdict: refused, reason: series.TooOld, written: -1}},
		{name: "Thanos", status: 409, text: "forwarding request: store locally: out of bounds", v1: true, want: answer{verdict: refused, reason: series.TooOld, written: -1, older: true}},
		{name: "Mimir", status: 400, text: "err-mimir-sample-timestamp-too-old", v1: true, want: answer{verdict: refused, reason: series.TooOld, written: -1, older: true}},
		{name: "duplicate, some written", status: 400, text: "duplicate sample for timestamp", header: map[string]string{"X-Prometheus-Remote-Write-Samples-Written": "3"}, want: answer{verdict: refused, reason: series.Conflict, written: 3}},
		{name: "too large", status: 413, v1: true, want: answer{verdict: tooLarge, reason: series.Invalid, written: -1}},
		{name: "busy", status: 429, header: map[string]string{"Retry-After": "7"}, want: answer{verdict: unavailable, written: -1, after: 7 * time.Second}},
		{name: "busy for a year", status: 503, header: map[string]string{"Retry-After": "31536000"}, want: answer{verdict: unavailable, written: -1, after: maxRetryAfter}},
		{name: "wrong credentials", status: 401, text: "invalid token", want: answer{verdict: unavailable, written: -1}},
		{name: "wrong path", status: 404, want: answer{verdict: unavailable, written: -1}},
		{name: "moved", status: 301, want: answer{verdict: unavailable, written: -1}},
		{name: "too old for Prometheus 2.42", status: 500, text: "too old sample\n", v1: true, want: answer{verdict: refused, reason: series.TooOld, written: -1, older: true}},
		{name: "broken", status: 500, text: "out of order", want: answer{verdict: unavailable, written: -1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := make(http.Header)
			for k, v := range test.header {
				h.Set(k, v)
			}
			got := judge(test.status, h, test.text, !test.v1, test.proven)
			got.text = ""
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(answer{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}
