//go:build embedweb

package www

import (
	"embed"
	"io/fs"
)

//go:embed all:out
var files embed.FS

// Built says whether Files holds the application itself.
const Built = true

// Files returns the site, its root being "/".
func Files() (fs.FS, error) { return fs.Sub(files, "out") }
