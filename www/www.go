// Package www holds the web application as files.
//
// Built with the tag embedweb, it is the static export of Next.js, which `make
// build` leaves in www/out. Without the tag, Go builds with nothing but Go, and
// the site is one page that says how to build the real one.
package www
