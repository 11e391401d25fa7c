// Package web serves the web application from memory.
//
// It promises that a page runs no script but its own files and the inline
// scripts that it was built with (a Content-Security-Policy with their hashes),
// that a file is sent compressed to whoever takes that, and not at all to whoever
// has it already, and that serving reads no disk. All of the work is done once,
// by [New].
//
// It does not know who asks: package access stands before it.
package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
)

const (
	// minCompress is the size below which compression saves no packet.
	minCompress = 1 << 10
	// notFoundName is the page for what does not exist.
	notFoundName = "404.html"
	// immutable is for files whose names change with their contents.
	immutable = "public, max-age=31536000, immutable"
	// revalidate lets a browser keep a file, and ask each time whether it is
	// still the same: a server that was updated is seen at once.
	revalidate = "no-cache"
)

// Site serves one set of files. It is immutable.
type Site struct {
	files map[string]*file
}

// file is one file, ready to be sent.
type file struct {
	body        []byte
	gzipped     []byte // nil when it does not pay
	etag        string
	contentType string
	cache       string
	csp         string // of pages only
}

// New reads, hashes and compresses every file of fsys, the static export of the
// application. It takes about as long as gzip needs for all of it, some ten
// milliseconds a megabyte, and keeps it all in memory.
func New(fsys fs.FS) (*Site, error) {
	s := &Site{files: make(map[string]*file)}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		f, err := newFile(name, body)
		if err != nil {
			return err
		}
		s.files[name] = f
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the site: %w", err)
	}
	if s.files["index.html"] == nil {
		return nil, fmt.Errorf("reading the site: it has no index.html")
	}
	return s, nil
}

func newFile(name string, body []byte) (*file, error) {
	sum := sha256.Sum256(body)
	f := &file{
		body:        body,
		etag:        base64.RawURLEncoding.EncodeToString(sum[:16]),
		contentType: contentType(name, body),
		cache:       revalidate,
	}
	if strings.HasPrefix(name, "_next/static/") {
		f.cache = immutable
	}
	if path.Ext(name) == ".html" {
		f.csp = policy(body)
	}
	if compressible(f.contentType) && len(body) >= minCompress {
		var b bytes.Buffer
		w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(body); err != nil {
			return nil, err
		}
		if err := w.Close(); err != nil {
			return nil, err
		}
		if b.Len() < len(body) {
			f.gzipped = b.Bytes()
		}
	}
	return f, nil
}

// types are fixed here, since package mime asks files of the system, which a
// container may lack or contradict.
var types = map[string]string{
	".css":         "text/css; charset=utf-8",
	".html":        "text/html; charset=utf-8",
	".ico":         "image/x-icon",
	".js":          "text/javascript; charset=utf-8",
	".json":        "application/json",
	".map":         "application/json",
	".png":         "image/png",
	".svg":         "image/svg+xml",
	".txt":         "text/plain; charset=utf-8",
	".webmanifest": "application/manifest+json",
	".woff2":       "font/woff2",
}

func contentType(name string, body []byte) string {
	ext := path.Ext(name)
	if t := types[ext]; t != "" {
		return t
	}
	if t := mime.TypeByExtension(ext); t != "" {
		return t
	}
	return http.DetectContentType(body)
}

func compressible(contentType string) bool {
	t, _, _ := strings.Cut(contentType, ";")
	return strings.HasPrefix(t, "text/") || strings.HasSuffix(t, "+xml") || strings.HasSuffix(t, "json") || t == "image/x-icon"
}

// ServeHTTP answers GET and HEAD. The path names a file, or a page without its
// ".html", or a directory with an index.html; else the answer is 404.html with
// status 404.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "the site answers GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	setSecurity(w.Header())
	if f := s.find(r.URL.Path); f != nil {
		f.serve(w, r, http.StatusOK)
		return
	}
	if f := s.files[notFoundName]; f != nil {
		f.serve(w, r, http.StatusNotFound)
		return
	}
	http.Error(w, "there is no such page", http.StatusNotFound)
}

func (s *Site) find(urlPath string) *file {
	name := strings.Trim(urlPath, "/")
	for _, candidate := range []string{name, name + ".html", path.Join(name, "index.html")} {
		if f := s.files[candidate]; f != nil {
			return f
		}
	}
	return nil
}

func setSecurity(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
}

func (f *file) serve(w http.ResponseWriter, r *http.Request, status int) {
	body, etag := f.body, `"`+f.etag+`"`
	h := w.Header()
	if f.gzipped != nil {
		h.Set("Vary", "Accept-Encoding")
		if acceptsGzip(r.Header.Get("Accept-Encoding")) {
			body, etag = f.gzipped, `"`+f.etag+`-gzip"`
			h.Set("Content-Encoding", "gzip")
		}
	}
	h.Set("ETag", etag)
	h.Set("Cache-Control", f.cache)
	if f.csp != "" {
		h.Set("Content-Security-Policy", f.csp)
	}
	if status == http.StatusOK && matches(r.Header.Get("If-None-Match"), etag) {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", f.contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // fails when the reader has gone
	}
}

// acceptsGzip reads an Accept-Encoding header (RFC 9110, section 12.5.3).
func acceptsGzip(header string) bool {
	wildcard := false
	for part := range strings.SplitSeq(header, ",") {
		coding, params, _ := strings.Cut(part, ";")
		quality := 1.0
		if q, ok := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q="); ok {
			// What does not parse is 0: not accepted.
			quality, _ = strconv.ParseFloat(q, 64)
		}
		switch strings.ToLower(strings.TrimSpace(coding)) {
		case "gzip", "x-gzip":
			return quality > 0
		case "*":
			wildcard = quality > 0
		}
	}
	return wildcard
}

// matches reads an If-None-Match header, comparing weakly as it must be (RFC
// 9110, section 13.1.2).
func matches(header, etag string) bool {
	for tag := range strings.SplitSeq(header, ",") {
		tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
		if tag == etag || tag == "*" {
			return true
		}
	}
	return false
}
