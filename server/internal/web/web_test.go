package web

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"sonde.dev/sonde/www"
)

var script = strings.Repeat("console.log('x');\n", 200)

func site(t *testing.T) *Site {
	t.Helper()
	s, err := New(fstest.MapFS{
		"index.html":              {Data: []byte("<p>home")},
		"host.html":               {Data: []byte("<p>host")},
		"host/index.txt":          {Data: []byte("payload")},
		"docs/index.html":         {Data: []byte("<p>docs")},
		"404.html":                {Data: []byte("<p>nothing here")},
		"_next/static/app-1.js":   {Data: []byte(script)},
		"_next/static/font.woff2": {Data: bytes.Repeat([]byte{0}, 4096)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func do(s *Site, method, path string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func TestPaths(t *testing.T) {
	s := site(t)
	for path, want := range map[string]struct {
		status int
		body   string
		cache  string
	}{
		"/":                        {200, "<p>home", revalidate},
		"/index.html":              {200, "<p>home", revalidate},
		"/index":                   {200, "<p>home", revalidate},
		"/host":                    {200, "<p>host", revalidate},
		"/host?id=1":               {200, "<p>host", revalidate},
		"/host/":                   {200, "<p>host", revalidate},
		"/host.html":               {200, "<p>host", revalidate},
		"/host/index.txt":          {200, "payload", revalidate},
		"/docs":                    {200, "<p>docs", revalidate},
		"/docs/":                   {200, "<p>docs", revalidate},
		"/_next/static/app-1.js":   {200, script, immutable},
		"/_next":                   {404, "<p>nothing here", revalidate},
		"/nothing":                 {404, "<p>nothing here", revalidate},
		"/404":                     {200, "<p>nothing here", revalidate},
		"/..%2f..%2fetc%2fpasswd":  {404, "<p>nothing here", revalidate},
		"/../host.html":            {404, "<p>nothing here", revalidate},
		"/%00":                     {404, "<p>nothing here", revalidate},
		"/_next/static/nothing.js": {404, "<p>nothing here", revalidate},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			w := do(s, method, path)
			body := want.body
			if method == "HEAD" {
				body = ""
			}
			if w.Code != want.status || w.Body.String() != body || w.Header().Get("Cache-Control") != want.cache {
				t.Errorf("%s %s: %d %.40q, %s", method, path, w.Code, w.Body, w.Header().Get("Cache-Control"))
			}
			if w.Header().Get("Content-Length") != fmt.Sprint(len(want.body)) {
				t.Errorf("%s %s: Content-Length %s", method, path, w.Header().Get("Content-Length"))
			}
			if w.Header().Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s %s: no security headers", method, path)
			}
		}
	}
	if w := do(s, "POST", "/"); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
}

func TestCompression(t *testing.T) {
	s := site(t)
	const path = "/_next/static/app-1.js"
	for accept, want := range map[string]bool{
		"gzip": true, "br, gzip": true, "GZIP;q=0.5": true, "*": true, "gzip;q=1.0, *;q=0": true, "deflate, *;q=0.1": true,
		"": false, "br": false, "gzip;q=0": false, "gzip; q=0.0, *": false, "*;q=0": false, "gzip;q=x": false, "identity": false,
	} {
		w := do(s, "GET", path, "Accept-Encoding", accept)
		if got := w.Header().Get("Content-Encoding") == "gzip"; got != want {
			t.Errorf("accepting %q: compressed %t", accept, got)
			continue
		}
		if w.Header().Get("Vary") != "Accept-Encoding" {
			t.Errorf("accepting %q: Vary %q", accept, w.Header().Get("Vary"))
		}
		body := io.Reader(w.Body)
		if want {
			var err error
			if body, err = gzip.NewReader(body); err != nil {
				t.Fatal(err)
			}
		}
		if b, err := io.ReadAll(body); err != nil || string(b) != script {
			t.Errorf("accepting %q: %v, %d bytes", accept, err, len(b))
		}
	}
	for _, path := range []string{"/", "/_next/static/font.woff2"} {
		if w := do(s, "GET", path, "Accept-Encoding", "gzip"); w.Header().Get("Content-Encoding") != "" {
			t.Errorf("%s is compressed", path)
		}
	}
}

func TestNotModified(t *testing.T) {
	s := site(t)
	const path = "/_next/static/app-1.js"
	plain := do(s, "GET", path).Header().Get("ETag")
	zipped := do(s, "GET", path, "Accept-Encoding", "gzip").Header().Get("ETag")
	if plain == zipped || len(plain) < 10 {
		t.Fatalf("tags %s and %s", plain, zipped)
	}
	for _, test := range []struct {
		accept, tag string
		want        int
	}{
		{"", plain, 304},
		{"", "W/" + plain, 304},
		{"", `"x", ` + plain, 304},
		{"", "*", 304},
		{"gzip", zipped, 304},
		{"", zipped, 200},
		{"gzip", plain, 200},
		{"", `"x"`, 200},
		{"", "", 200},
	} {
		w := do(s, "GET", path, "Accept-Encoding", test.accept, "If-None-Match", test.tag)
		if w.Code != test.want || (w.Code == 304) != (w.Body.Len() == 0) {
			t.Errorf("If-None-Match %s: %d with %d bytes, want %d", test.tag, w.Code, w.Body.Len(), test.want)
		}
		if w.Code == 304 && (w.Header().Get("ETag") == "" || w.Header().Get("Content-Encoding") != "") {
			t.Errorf("If-None-Match %s: headers %v", test.tag, w.Header())
		}
	}
	if w := do(s, "GET", "/nothing", "If-None-Match", "*"); w.Code != 404 {
		t.Errorf("what is missing answers %d", w.Code)
	}
}

// The hashes are those that a browser's console asks for.
func TestPolicy(t *testing.T) {
	page := `<!doctype html><script src="/a.js"></script>
		<script>alert(1)</script><script></script><SCRIPT async>alert("<!-- &amp; -->")</SCRIPT>
		<!-- <script>no</script> --><script>alert(1)</script><p title="<script>no</script>">`
	want := []string{
		"'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='", // alert(1)
		"'sha256-AaCbwpuirgKKTYeKdxZXlu1KSTzi+FeZrlcfY9XdEos='", // alert("<!-- &amp; -->")
	}
	got := inlineScripts([]byte(page))
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	if p := policy([]byte(page)); !strings.Contains(p, "script-src 'self' "+got[0]+" "+got[1]+";") || strings.Contains(p, "script-src 'self' 'unsafe-inline'") {
		t.Errorf("policy %s", p)
	}
}

// Whatever site is built in is served whole, and none of its pages has inline
// handlers, which its policy forbids.
func TestBuiltIn(t *testing.T) {
	files, err := www.Files()
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(files)
	if err != nil {
		t.Fatal(err)
	}
	size := 0
	for name, f := range s.files {
		size += len(f.body) + len(f.gzipped)
		w := do(s, "GET", "/"+name)
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") == "" {
			t.Errorf("%s: %d %s", name, w.Code, w.Header().Get("Content-Type"))
		}
		if strings.HasSuffix(name, ".html") && (w.Header().Get("Content-Security-Policy") == "" || strings.Contains(string(f.body), " onclick=")) {
			t.Errorf("%s: policy %q", name, w.Header().Get("Content-Security-Policy"))
		}
	}
	t.Logf("%d files, %d bytes in memory, application %t", len(s.files), size, www.Built)
}

func TestNoSite(t *testing.T) {
	if _, err := New(fstest.MapFS{"host.html": {}}); err == nil {
		t.Error("a site without index.html was taken")
	}
}

func FuzzPolicy(f *testing.F) {
	f.Add([]byte("<script>alert(1)</script><script src=x>"))
	f.Add([]byte("<script"))
	f.Fuzz(func(t *testing.T, page []byte) {
		if p := policy(page); strings.ContainsAny(p, "\r\n") || strings.Count(p, "script-src") != 1 {
			t.Errorf("policy %q", p)
		}
	})
}
