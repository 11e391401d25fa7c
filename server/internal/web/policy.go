package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// policy returns the Content-Security-Policy of a page: scripts are files of
// the site or the inline ones that the page has now. Styles may be inline,
// since the chart library and the components position by style attributes,
// which hashes do not cover.
func policy(page []byte) string {
	scripts := append([]string{"'self'"}, inlineScripts(page)...)
	return strings.Join([]string{
		"default-src 'self'",
		"script-src " + strings.Join(scripts, " "),
		"style-src 'self' 'unsafe-inline'",
		"img-src 'self' data: blob:",
		"font-src 'self' data:",
		"connect-src 'self'",
		"worker-src 'self'",
		"object-src 'none'",
		"base-uri 'none'",
		"form-action 'self'",
		"frame-ancestors 'none'",
	}, "; ")
}

// inlineScripts returns the hashes of a page's inline scripts as sources of a
// policy, each once, in order.
func inlineScripts(page []byte) []string {
	var hashes []string
	tokens := html.NewTokenizer(bytes.NewReader(page))
	for {
		switch tokens.Next() {
		case html.ErrorToken:
			return hashes
		case html.StartTagToken:
			name, attrs := tokens.TagName()
			if string(name) != "script" {
				continue
			}
			external := false
			for attrs {
				var key []byte
				key, _, attrs = tokens.TagAttr()
				external = external || string(key) == "src"
			}
			// The text of a script is one token, without entities.
			if external || tokens.Next() != html.TextToken {
				continue
			}
			sum := sha256.Sum256(tokens.Raw())
			source := "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
			if !slices.Contains(hashes, source) {
				hashes = append(hashes, source)
			}
		}
	}
}
