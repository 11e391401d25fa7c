package promapi_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/api"
	apiv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/rogpeppe/go-internal/txtar"
	"go.uber.org/goleak"

	"sonde.dev/sonde/internal/buildinfo"
	"sonde.dev/sonde/server/internal/promapi"
	"sonde.dev/sonde/server/internal/series/query"
)

var update = flag.Bool("update", false, "write the answers into testdata")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newHandler serves a store of a few series with a sample each second of
// 1700000000 to 1700000010.
func newHandler(tb testing.TB) http.Handler {
	tb.Helper()
	opts := tsdb.DefaultOptions()
	opts.WALSegmentSize = -1
	db, err := tsdb.Open(tb.TempDir(), nil, nil, opts, nil)
	if err != nil {
		tb.Fatal(err)
	}
	db.DisableCompactions()
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Error(err)
		}
	})
	a := db.Appender(context.Background())
	add := func(t int64, v float64, series ...string) {
		if _, err := a.Append(0, labels.FromStrings(series...), t, v); err != nil {
			tb.Fatal(err)
		}
	}
	for i := range int64(11) {
		t := (1_700_000_000 + i) * 1000
		add(t, 0.5, "__name__", "node_load1", "agent", "0190", "instance", "web-1")
		for _, cpu := range []string{"0", "1"} {
			add(t, float64(i)*0.75, "__name__", "node_cpu_seconds_total", "agent", "0190", "cpu", cpu, "mode", "idle")
			add(t, float64(i)*0.25, "__name__", "node_cpu_seconds_total", "agent", "0190", "cpu", cpu, "mode", "user")
		}
		h := &histogram.Histogram{
			Schema: 4, Count: uint64(4 * i), Sum: float64(i), ZeroThreshold: 1e-128, ZeroCount: uint64(i),
			PositiveSpans:   []histogram.Span{{Offset: -16, Length: 2}, {Offset: 3, Length: 1}},
			PositiveBuckets: []int64{i, 0, 0},
		}
		if _, err := a.AppendHistogram(0, labels.FromStrings("__name__", "sonde_probe_duration_seconds", "agent", "0190", "probe", "gateway"), t, h, nil); err != nil {
			tb.Fatal(err)
		}
	}
	if err := a.Commit(); err != nil {
		tb.Fatal(err)
	}
	return promapi.New(newEngine(tb, db))
}

// empty is a storage without series.
var empty = storage.QueryableFunc(func(int64, int64) (storage.Querier, error) {
	return storage.NoopQuerier(), nil
})

func newEngine(tb testing.TB, q storage.Queryable) *query.Engine {
	tb.Helper()
	engine, err := query.New(q, query.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	return engine
}

// TestRecorded sends the requests in testdata, each a line of method and path
// and a form, behind comments, and compares with the answers that stand behind them.
func TestRecorded(t *testing.T) {
	handler := newHandler(t)
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no testdata", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want := txtar.Format(archive)
			got := &txtar.Archive{Comment: archive.Comment}
			for _, f := range archive.Files {
				if f.Name != "request" {
					continue
				}
				got.Files = append(got.Files, f, txtar.File{Name: "response", Data: answer(t, handler, string(f.Data))})
			}
			if *update {
				if err := os.WriteFile(file, txtar.Format(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(want), string(txtar.Format(got))); diff != "" {
				t.Errorf("answers changed (-want +got); -update accepts them\n%s", diff)
			}
		})
	}
}

// answer is the status and the body of the answer to a request, for people.
func answer(t *testing.T, handler http.Handler, request string) []byte {
	t.Helper()
	for strings.HasPrefix(request, "#") {
		_, request, _ = strings.Cut(request, "\n")
	}
	line, form, _ := strings.Cut(strings.TrimSpace(request), "\n")
	method, target, _ := strings.Cut(line, " ")
	r := httptest.NewRequest(method, target, strings.NewReader(form))
	if form != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)

	out := fmt.Appendf(nil, "%d %s\n", w.Code, w.Header().Get("Content-Type"))
	body := w.Body.String()
	if !json.Valid(w.Body.Bytes()) {
		t.Errorf("%s: the answer is no JSON:\n%s", line, body)
	}
	text := strings.NewReplacer(
		runtime.Version(), "GOVERSION", buildinfo.Version(), "VERSION",
		`{"metric":`, "\n{\"metric\":",
		`],"warnings":`, "],\n\"warnings\":", `},"warnings":`, "},\n\"warnings\":",
	).Replace(body)
	return append(append(out, text...), '\n')
}

// TestPromtool asks with the client that promtool query is made of.
func TestPromtool(t *testing.T) {
	server := httptest.NewServer(newHandler(t))
	defer server.Close()
	client, err := api.NewClient(api.Config{Address: server.URL, Client: server.Client()})
	if err != nil {
		t.Fatal(err)
	}
	prom := apiv1.NewAPI(client)
	ctx := t.Context()
	end := time.Unix(1_700_000_010, 0)

	value, warnings, _, err := prom.Query(ctx, "histogram_count(sonde_probe_duration_seconds)", end)
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	if got, want := value.String(), `{agent="0190", probe="gateway"} => 40 @[1700000010]`; got != want {
		t.Errorf("instant: got %s, want %s", got, want)
	}
	value, _, _, err = prom.Query(ctx, "sonde_probe_duration_seconds", end)
	if v, ok := value.(model.Vector); err != nil || !ok || v[0].Histogram == nil || v[0].Histogram.Count != 40 {
		t.Errorf("instant: got %v, %v; want a histogram of 40", value, err)
	}
	value, _, _, err = prom.QueryRange(ctx, "node_load1", apiv1.Range{Start: end.Add(-5 * time.Minute), End: end, Step: time.Second})
	if m, ok := value.(model.Matrix); err != nil || !ok || len(m) != 1 || len(m[0].Values) != 11 {
		t.Errorf("range: got %v, %v; want 11 values", value, err)
	}
	// promtool's bounds when none are given: the earliest and latest times of
	// the API.
	series, _, _, err := prom.Series(ctx, []string{"node_load1"}, apiMinTime, apiMaxTime)
	if want := []model.LabelSet{{"__name__": "node_load1", "agent": "0190", "instance": "web-1"}}; err != nil || !cmp.Equal(series, want) {
		t.Errorf("series: got %v, %v", series, err)
	}
	values, _, _, err := prom.LabelValues(ctx, "mode", nil, apiMinTime, apiMaxTime)
	if want := (model.LabelValues{"idle", "user"}); err != nil || !cmp.Equal(values, want) {
		t.Errorf("labels: got %v, %v", values, err)
	}
	if _, _, _, err := prom.Query(ctx, "sum(", end); err == nil || !strings.Contains(err.Error(), "bad_data: invalid parameter \"query\": 1:5: parse error") {
		t.Errorf("bad expression: got %v", err)
	}
}

// What promtool query series and labels send as start and end.
var (
	apiMinTime = time.Unix(-9223372036854775808/1000+62135596801, 0).UTC()
	apiMaxTime = time.Unix(9223372036854775807/1000-62135596801, 999999999).UTC()
)

func TestGzip(t *testing.T) {
	r := httptest.NewRequest("GET", "/api/v1/query?query=1&time=1", nil)
	r.Header.Set("Accept-Encoding", "gzip")
	w := httptest.NewRecorder()
	promapi.New(newEngine(t, empty)).ServeHTTP(w, r)
	if got := w.Header().Get("Content-Encoding"); got != "gzip" {
		t.Fatalf("the encoding is %q", got)
	}
	zr, err := gzip.NewReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(zr)
	if want := `{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}`; err != nil || string(body) != want {
		t.Errorf("got %s, %v; want %s", body, err, want)
	}
}

func TestLargeForm(t *testing.T) {
	r := httptest.NewRequest("POST", "/api/v1/query", strings.NewReader("query=1&x="+strings.Repeat("x", 1<<20)))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	promapi.New(newEngine(t, empty)).ServeHTTP(w, r)
	if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "request body too large") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

// TestVersion compares what buildinfo says with the module that is built in.
func TestVersion(t *testing.T) {
	mod, err := os.ReadFile("../../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	promapi.New(newEngine(t, empty)).ServeHTTP(w, httptest.NewRequest("GET", "/api/v1/status/buildinfo", nil))
	var res struct{ Data struct{ Version string } }
	if err := json.Unmarshal(w.Body.Bytes(), &res); err != nil {
		t.Fatal(err)
	}
	var major, minor, patch int
	if _, err := fmt.Sscanf(res.Data.Version, "%d.%d.%d", &major, &minor, &patch); err != nil {
		t.Fatal(err)
	}
	module := fmt.Sprintf("github.com/prometheus/prometheus v0.%d%02d.%d", major, minor, patch)
	if !strings.Contains(string(mod), module) {
		t.Errorf("buildinfo says %s, go.mod does not have %s", res.Data.Version, module)
	}
}

// FuzzParameters sends what a stranger may send: the answer is JSON, and never
// a failure of the server's.
func FuzzParameters(f *testing.F) {
	f.Add("query_range", "1700000000", "1700000010", "1s", "5m", "10", "m")
	f.Add("query", "2023-11-14T22:13:30.25Z", "-9223309901257974", "1e300", "-1", "9223372036854775808", "{}")
	f.Add("series", "NaN", "-Inf", "0x1p-2", "1y", "-0", "{a=~\"(\"}")
	handler := promapi.New(newEngine(f, empty))
	f.Fuzz(func(t *testing.T, path, start, end, duration, lookback, limit, expr string) {
		r := httptest.NewRequest("POST", "/api/v1/query", nil)
		r.URL.Path = "/api/v1/" + path
		form := map[string][]string{
			"start": {start}, "time": {start}, "end": {end}, "step": {duration}, "timeout": {"1s"},
			"lookback_delta": {lookback}, "limit": {limit}, "query": {expr}, "match[]": {expr}, "stats": {limit},
		}
		r.PostForm, r.Form = form, form
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code == http.StatusInternalServerError {
			t.Errorf("%s", w.Body)
		}
		if strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") && !json.Valid(w.Body.Bytes()) {
			t.Errorf("no JSON: %q", w.Body)
		}
	})
}
